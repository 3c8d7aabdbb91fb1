import { useQueue } from '../support/queue.ts';

useQueue();
await import('./batch-reports.test.ts');
