// What `import { Peer } from 'parley-chat'` gives.
export { type ErrorCode, ParleyError } from '../shared/errors.ts';
export type { PeerApi, PeerOptions, SendOptions } from './api.ts';
export type { HistoryLine, IncomingMessage, OutgoingMessage, PeerEvent, Person } from './events.ts';
export { Peer } from './peer.ts';
