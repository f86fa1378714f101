// Which of two links with one other account is kept.
import type { LinkChannel } from './link.ts';

/** Both sides may be opening links at once for so long; then whoever opens another has lost the one before. */
const settledMs = 2_000;

/** What the choice looks at. */
export interface Choosable {
  readonly channel: Pick<LinkChannel, 'route' | 'isClient' | 'exporter'>;
  readonly isQuiet: boolean;
  readonly ageMs: number;
}

/**
 * Decided alike on both sides, or both links would go.
 * @param self, other the accounts
 */
export function isBetter(link: Choosable, current: Choosable, self: number, other: number): boolean {
  if (current.isQuiet || current.ageMs > settledMs) return true;
  const rank = ({ channel }: Choosable): number => (channel.route === 'relayed' ? 0 : 1);
  if (rank(link) !== rank(current)) return rank(link) > rank(current);
  const client = ({ channel }: Choosable): number => (channel.isClient ? self : other);
  if (client(link) !== client(current)) return client(link) < client(current);
  return Buffer.compare(link.channel.exporter, current.channel.exporter) < 0;
}
