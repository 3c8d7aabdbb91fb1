import { useQueue } from '../support/queue.ts';

useQueue();
await import('./batch-tables.test.ts');
