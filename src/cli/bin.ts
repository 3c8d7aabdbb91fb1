#!/usr/bin/env node
import path from 'node:path';
import { launch } from './loader/launch.ts';
import { PackagedCode } from './loader/packaged-code.ts';

launch(process, (whose) => new PackagedCode(path.join(__dirname, 'chunks'), whose));
