#!/usr/bin/env node
import path from 'node:path';
import { launch } from './loader/launch.ts';
import { PackagedChunks } from './loader/packaged-chunks.ts';

launch(process, (whose) => new PackagedChunks(path.join(__dirname, 'chunks'), whose));
