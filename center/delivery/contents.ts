// How much a mailbox holds, all told and of each sender, in memory and on disk, and whether more fits.
import type { CenterLimits } from '../limits.ts';
import type { MailboxState } from '../store/store.ts';
import type { Flow, RefusalCode, Usage } from './outbox.ts';

export class Contents {
  count: number;
  bytes: number;
  /** null until there is a sender: most mailboxes are empty. */
  #usages: Map<number, Usage> | null = null;

  constructor(saved: Pick<MailboxState, 'count' | 'bytes' | 'senders'>) {
    this.count = saved.count;
    this.bytes = saved.bytes;
    for (const { sender, count, bytes } of saved.senders) Object.assign(this.usage(sender), { count, bytes });
  }

  usage(sender: number): Usage {
    this.#usages ??= new Map();
    let usage = this.#usages.get(sender);
    if (!usage) {
      usage = { count: 0, bytes: 0 };
      this.#usages.set(sender, usage);
    }
    return usage;
  }

  /** A message of this flow came. */
  add(flow: Flow, bytes: number): void {
    this.count++;
    this.bytes += bytes;
    const usage = this.#usageOf(flow);
    usage.count++;
    usage.bytes += bytes;
  }

  /** It is stored by the peer, or refused. */
  remove(flow: Flow, bytes: number): void {
    this.count--;
    this.bytes -= bytes;
    const usage = this.#usageOf(flow);
    usage.count--;
    usage.bytes -= bytes;
  }

  /** Why a message of so many bytes does not fit; null if it does. */
  problem(flow: Flow, bytes: number, limits: CenterLimits): RefusalCode | null {
    const { mailboxMessages, mailboxBytes, mailboxSenderShare } = limits;
    if (this.count >= mailboxMessages || this.bytes + bytes > mailboxBytes) return 'mailbox_full';
    const usage = this.#usageOf(flow);
    if (usage.count * mailboxSenderShare >= mailboxMessages) return 'sender_quota';
    return (usage.bytes + bytes) * mailboxSenderShare > mailboxBytes ? 'sender_quota' : null;
  }

  /** The flow remembers it: its messages are many. */
  #usageOf(flow: Flow): Usage {
    flow.usage ??= this.usage(flow.outbox.sender);
    return flow.usage;
  }
}
