import { RecordingWriter } from '../../src/journal/recording.ts';

/** begin-recording FILE: prints the code of the error that it meets, or nothing. */
process.on('SIGXFSZ', () => {});
try {
  new RecordingWriter(String(process.argv[2]), { cllm: '0.1.0' }).close();
} catch (error) {
  process.stdout.write(String((error as { code?: unknown }).code));
}
