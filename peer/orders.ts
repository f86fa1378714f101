// What the user has ordered of the center while it was away: kept over restarts, carried out when it is back, and held to
// here meanwhile.
import { asParleyError, type ErrorCode, ParleyError } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import type { parley } from '../shared/protocol.js';
import { safeLine } from '../shared/text.ts';

const maxOrders = 1000;
const retryMs = 10_000;
const kinds = ['block', 'unblock', 'revoke'] as const;

export interface Order {
  kind: (typeof kinds)[number];
  /** As the user wrote it. */
  name: string;
  /** null where it was not known. */
  account: number | null;
}

/** Answers that another try would get again. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'unknown_account',
  'bad_name',
  'account_deleted',
  'no_consent',
  'unsupported',
  'bad_frame',
]);

/** The center may have carried it out, or not: to be asked again does no harm. */
const unanswered: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['disconnected', 'timeout']);

/** Where orders are kept, as text. */
export interface OrderFile {
  orders(): string | null;
  saveOrders(text: string): void;
}

type Ask = (body: parley.Frame.$Properties) => Promise<unknown>;

export class Orders {
  readonly #file: OrderFile;
  readonly #notice: (text: string) => void;
  #orders: Order[];
  /** The center is being asked now. */
  readonly #giving = new Set<Order>();
  #ask: Ask | null = null;
  #retry: NodeJS.Timeout | null = null;

  /** notice: tells the user. Throws bad_data for a file that cannot be read. */
  constructor(file: OrderFile, notice: (text: string) => void) {
    this.#file = file;
    this.#notice = notice;
    this.#orders = readOrders(file.orders());
  }

  /** True where nothing may be linked: the center may not have heard yet that it is over. */
  bars(account: number, name: string): boolean {
    return [...this.#orders, ...this.#giving].some(
      (order) => order.kind !== 'unblock' && (order.account === account || sameName(order.name, name)),
    );
  }

  /**
   * Has it carried out at the center: now or, where that is away, when it is back. Returns which.
   * @param ask throws disconnected where the center is away, timeout where it does not answer, what it answers where it
   * refuses
   * @throws ParleyError store_full where too many wait
   */
  async give(order: Order, ask: Ask): Promise<{ later: boolean }> {
    // What was ordered before of the same is not wanted any more.
    this.drop(order.kind, order.name);
    this.#giving.add(order);
    try {
      await ask(frameOf(order));
      return { later: false };
    } catch (error) {
      if (!unanswered.has(asParleyError(error).code)) throw error;
      this.#keep(order);
      if (this.#ask) this.#again(this.#ask);
      return { later: true };
    } finally {
      this.#giving.delete(order);
    }
  }

  #keep(order: Order): void {
    const others = this.#without(order.kind, order.name);
    if (others.length >= maxOrders) throw new ParleyError('store_full', 'Too many orders wait for the center.');
    this.#save([...others, order]);
  }

  /** Does what an order that waits would undo: without it, and where it fails, the order waits again. */
  async instead<Done>(kind: Order['kind'], name: string, act: () => Promise<Done>): Promise<Done> {
    const waiting = this.#orders.find((order) => order.kind === kind && sameName(order.name, name));
    this.drop(kind, name);
    try {
      return await act();
    } catch (error) {
      if (waiting) this.#keep(waiting);
      throw error;
    }
  }

  /** The user has ordered something else since, or the center has done it. */
  drop(kind: Order['kind'], name: string): void {
    const others = this.#without(kind, name);
    if (others.length < this.#orders.length) this.#save(others);
  }

  /** Those that a new order of this kind leaves in force: of block and unblock the last one counts. */
  #without(kind: Order['kind'], name: string): Order[] {
    const group = (of: Order['kind']): boolean => (of === 'revoke') === (kind === 'revoke');
    return this.#orders.filter((order) => !(group(order.kind) && sameName(order.name, name)));
  }

  #save(orders: Order[]): void {
    this.#file.saveOrders(`${JSON.stringify(orders)}\n`);
    this.#orders = orders;
  }

  /** The center is there: it hears of all. */
  attach(ask: Ask): void {
    this.#ask = ask;
    void this.#carryOut(ask);
  }

  detach(): void {
    this.#ask = null;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
  }

  async #carryOut(ask: Ask): Promise<void> {
    for (const order of this.#orders) {
      // While others were asked for, the user may have thought otherwise.
      if (!this.#orders.includes(order)) continue;
      let refusal: ParleyError | null = null;
      try {
        await ask(frameOf(order));
      } catch (error) {
        refusal = asParleyError(error);
      }
      // Another connection begins anew.
      if (this.#ask !== ask) return;
      if (!this.#orders.includes(order)) continue;
      if (refusal && !refusals.has(refusal.code)) return this.#again(ask);
      this.drop(order.kind, order.name);
      this.#tell(order, refusal);
    }
  }

  #again(ask: Ask): void {
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#carryOut(ask), retryMs);
    this.#retry.unref();
  }

  #tell({ kind, name }: Order, refusal: ParleyError | null): void {
    const what = `${kind} ${safeLine(name)}`;
    // A consent that has run out meanwhile is what was wanted.
    if (refusal === null || refusal.code === 'no_consent') this.#notice(`The center has heard of it now: ${what}.`);
    else this.#notice(`The center could not carry out ${what}: ${safeLine(refusal.message)}`);
  }
}

function frameOf({ kind, name }: Order): parley.Frame.$Properties {
  return kind === 'revoke' ? { revoke: { name } } : { block: { name, on: kind === 'block' } };
}

function sameName(one: string, other: string): boolean {
  return foldName(one) === foldName(other);
}

function readOrders(text: string | null): Order[] {
  if (text === null) return [];
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every(isOrder)) return value;
  } catch {
    // Said below.
  }
  throw new ParleyError(
    'bad_data',
    'The file `orders` of the account is damaged. Remove it, and block or revoke again.',
  );
}

function isOrder(value: unknown): value is Order {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, name, account } = value as Record<keyof Order, unknown>;
  const isKind = kinds.some((known) => known === kind);
  return isKind && typeof name === 'string' && (account === null || Number.isSafeInteger(account));
}
