// What the self-test and its peer processes say to each other.

/** The first message to a peer process. */
export interface PeerOrders {
  name: string;
  password: string;
  port: number;
  dataDir: string;
  /** File to which the peer writes what it was told and what it showed. */
  ledger: string;
  isNew: boolean;
  /** Whether the center has no TLS. */
  plain: boolean;
  /** Whether others can reach it directly; else its private links are relayed. */
  listens: boolean;
}

export type ToPeer =
  | { act: 'send'; messages: { to: string; text: string; private: boolean }[] }
  | { act: 'allow'; name: string }
  /** Breaks its direct links, and lets none be made for so long: those that it needs are relayed then. */
  | { act: 'cutLinks'; forMs: number }
  | { act: 'count' }
  | { act: 'quit' };

export type FromPeer = { online: true } | { allowed: true } | { pending: number };
