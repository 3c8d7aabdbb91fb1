// undici ships types for its index only. The index loads fetch, WebSocket, caches and mocks: three times what is used here.
declare module 'undici/lib/dispatcher/agent.js' {
  import { Agent } from 'undici';
  export default Agent;
}
