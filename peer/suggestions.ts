// What Tab may complete at the prompt.
import type { CommandName } from './command.ts';
import { peerCommands } from './commands.ts';

const takeNames: ReadonlySet<string> = new Set<CommandName>([
  ...(['message', 'block', 'unblock', 'history', 'getaddress', 'allow', 'deny', 'revoke', 'private'] as const),
  ...(['why', 'verify', 'trust', 'untrust'] as const),
]);

/** The words that may stand where the cursor is, given what is typed before it. */
export function completions(before: string, names: readonly string[]): readonly string[] {
  const typed = before.trimStart().split(/\s+/u);
  const slash = typed[0]?.startsWith('/') ? '/' : '';
  if (typed.length <= 1) return peerCommands.map((name) => `${slash}${name}`);
  const command = typed[0]?.replace(/^\//, '').toLowerCase() ?? '';
  if (typed.length === 3 && command === 'allow') return ['30m', '1h', '2d', 'once'];
  if (typed.length === 3 && command === 'verify') return ['yes'];
  if (typed.length > 2) return [];
  if (command === 'help') return peerCommands;
  if (command === 'hold') return ['on', 'off'];
  return takeNames.has(command) ? names : [];
}
