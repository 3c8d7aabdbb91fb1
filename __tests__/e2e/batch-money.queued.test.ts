import { useQueue } from '../support/queue.ts';

useQueue();
await import('./batch-money.test.ts');
