// Where the center's frames go that are no replies.
import type { parley } from '../shared/protocol.js';
import { safeLine, safeText } from '../shared/text.ts';
import type { PeerEvent } from './events.ts';
import type { Inbox } from './inbox.ts';
import type { Links } from './links/links.ts';
import type { Outbox } from './outbox.ts';

export interface FrameTakers {
  links: Links;
  inbox: Inbox;
  outbox: Outbox;
  /** Tells it after the messages that came before. */
  tell(event: PeerEvent): void;
}

export function takeFrame(frame: parley.Frame, { inbox, outbox, links, tell }: FrameTakers): void {
  switch (frame.body) {
    case 'deliver':
      inbox.deliver(frame.deliver as parley.Deliver);
      break;
    case 'accepted': {
      const { to, number } = frame.accepted as parley.Accepted;
      outbox.accepted(to, number);
      break;
    }
    case 'stored': {
      const { to, number } = frame.stored as parley.Stored;
      outbox.stored(to, number);
      break;
    }
    case 'refused':
      outbox.refused(frame.refused as parley.Refused);
      break;
    case 'presence':
      for (const change of (frame.presence as parley.Presence).changes) {
        const { name, online } = change as parley.AccountEntry;
        tell({ type: 'presence', name: safeLine(name), online });
      }
      break;
    case 'broadcastDeliver': {
      const { fromName, body, sentAtMs } = frame.broadcastDeliver as parley.BroadcastDeliver;
      tell({ type: 'broadcast', from: safeLine(fromName), text: safeText(body), sentAtMs });
      break;
    }
    case 'waiting':
      tell({ type: 'waiting', count: (frame.waiting as parley.Waiting).count });
      break;
    default:
      // A newer center may send what is not known here: it is skipped.
      links.take(frame);
  }
}
