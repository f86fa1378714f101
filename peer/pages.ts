// What the center tells in pages, asked for as they are read.
import type { parley } from '../shared/protocol.js';
import { safeLine } from '../shared/text.ts';
import type { Consent, Person } from './events.ts';

type Ask = (body: parley.Frame.$Properties) => Promise<parley.Frame>;

/** Accounts; page: the request for what comes after a name. Throws what the center answers, and disconnected. */
export async function* people(
  ask: Ask,
  page: (after: string) => parley.Frame.$Properties,
): AsyncIterableIterator<Person> {
  let after = '';
  do {
    const { accountPage } = await ask(page(after));
    for (const { name, online } of accountPage?.accounts ?? []) {
      yield { name: safeLine(name ?? ''), online: online ?? false };
    }
    after = accountPage?.next ?? '';
  } while (after !== '');
}

/** Consents, given and got. Throws as people does. */
export async function* consents(ask: Ask): AsyncIterableIterator<Consent> {
  let after = '';
  do {
    const { consentPage } = await ask({ consents: { after } });
    for (const { name, given, untilMs, once } of consentPage?.consents ?? []) {
      yield { name: safeLine(name ?? ''), given: given ?? false, untilMs: untilMs ?? 0, once: once ?? false };
    }
    after = consentPage?.next ?? '';
  } while (after !== '');
}
