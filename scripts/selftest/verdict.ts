// Compares what each sender was told with what each recipient has: the judge of the self-test.

/** What was found out about one account. */
export interface Account {
  name: string;
  /** Lines of its ledger. */
  ledger: string[];
  /** Texts of what it received, in the order of its history. */
  history: string[];
  /** Texts of what it sent and its own history says is accepted. */
  accepted: string[];
}

export interface Verdict {
  accepted: number;
  /** Of them over private links. */
  private: number;
  /** Rows in the histories of the recipients. */
  shown: number;
  /** Accepted, and not in the history of its recipient; or there, and never shown. */
  lost: number;
  /** In a history twice, or shown once more without the mark. */
  duplicated: number;
  /** Behind a later one of the same sender, in the history or where it was first shown. */
  reordered: number;
  /** Lines shown with the mark. */
  again: number;
  /** Refused for good: none should be. */
  failed: number;
  /** Private links: how often a direct or a relayed one came up, or another took its place, as each side saw it. */
  links: { direct: number; relayed: number; moved: number };
  /** A few of what is wrong, in words. */
  examples: string[];
}

const maxExamples = 10;

/** `seas>google#12`: from, to and the place in this direction; `seas>google!#12` is private. */
export function textOf(direction: string, number: number): string {
  return `${direction}#${number}`;
}

export function directionOf(from: string, to: string, isPrivate: boolean): string {
  return `${from}>${to}${isPrivate ? '!' : ''}`;
}

function placeOf(text: string): { direction: string; number: number; to: string } {
  const [direction = '', number = ''] = text.split('#');
  return { direction, number: Number(number), to: direction.split('>')[1]?.replace('!', '') ?? '' };
}

export function judge(accounts: Account[]): Verdict {
  const verdict: Verdict = {
    accepted: 0,
    private: 0,
    shown: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    again: 0,
    failed: 0,
    links: { direct: 0, relayed: 0, moved: 0 },
    examples: [],
  };
  const note = (text: string): void => {
    if (verdict.examples.length < maxExamples) verdict.examples.push(text);
  };
  const histories = new Map(accounts.map(({ name, history }) => [name, new Set(history)]));
  for (const account of accounts) {
    judgeShown(account, verdict, note);
    const accepted = new Set(account.accepted);
    for (const line of account.ledger) {
      if (line.startsWith('accepted ')) accepted.add(line.slice('accepted '.length));
      else if (line.startsWith('failed ')) {
        verdict.failed++;
        note(`${account.name}: ${line}`);
      } else if (line.startsWith('link ')) countLink(line, verdict.links);
    }
    verdict.accepted += accepted.size;
    for (const text of accepted) if (text.includes('!')) verdict.private++;
    for (const text of accepted) {
      if (histories.get(placeOf(text).to)?.has(text)) continue;
      verdict.lost++;
      note(`lost: ${text}`);
    }
  }
  return verdict;
}

/** `link up direct`, as a ledger has it. */
function countLink(line: string, links: Verdict['links']): void {
  if (line.startsWith('link down')) return;
  if (line.startsWith('link moved')) links.moved++;
  if (line.endsWith(' relayed')) links.relayed++;
  else links.direct++;
}

/** Takes one after the other: null, or the number in the same direction that came too early. */
function orderOf(): (text: string) => number | null {
  const latest = new Map<string, number>();
  return (text) => {
    const { direction, number } = placeOf(text);
    const before = latest.get(direction) ?? 0;
    if (number < before) return before;
    latest.set(direction, number);
    return null;
  };
}

function judgeShown({ name, history, ledger }: Account, verdict: Verdict, note: (text: string) => void): void {
  verdict.shown += history.length;
  const seen = new Set<string>();
  const reordered = new Set<string>();
  const keptBehind = orderOf();
  for (const text of history) {
    if (seen.has(text)) {
      verdict.duplicated++;
      note(`twice in the history of ${name}: ${text}`);
      continue;
    }
    seen.add(text);
    const before = keptBehind(text);
    if (before === null) continue;
    reordered.add(text);
    note(`in the history of ${name} after number ${before}: ${text}`);
  }
  const printed = new Set<string>();
  const printedBehind = orderOf();
  for (const line of ledger) {
    const isMarked = line.startsWith('again ');
    if (!isMarked && !line.startsWith('shown ')) continue;
    const text = line.slice('shown '.length);
    if (isMarked) verdict.again++;
    if (printed.has(text)) {
      if (isMarked) continue;
      verdict.duplicated++;
      note(`${name} printed twice, without the mark: ${text}`);
      continue;
    }
    printed.add(text);
    const before = printedBehind(text);
    if (before === null || reordered.has(text)) continue;
    reordered.add(text);
    note(`${name} printed it after number ${before}: ${text}`);
  }
  verdict.reordered += reordered.size;
  for (const text of seen) {
    if (printed.has(text)) continue;
    verdict.lost++;
    note(`in the history of ${name}, and never shown: ${text}`);
  }
}
