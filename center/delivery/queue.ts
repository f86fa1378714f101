// First in, first out, at constant cost: a ring. What was taken out is not kept, so that it dies young.

const firstSlots = 16;
/** A longer ring is let go when it is empty. */
const maxKeptSlots = 64;

export class Queue<Item extends object> {
  /** As many as a power of two; null until the first item comes: many queues never have one. */
  #slots: (Item | undefined)[] | null = null;
  /** Of the oldest. */
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: Item): void {
    let slots = this.#slots;
    if (slots === null || this.#length === slots.length) slots = this.#grow();
    slots[(this.#head + this.#length++) & (slots.length - 1)] = item;
  }

  peek(): Item | undefined {
    return this.at(0);
  }

  /** The item at this place, counted from the head. */
  at(index: number): Item | undefined {
    const slots = this.#slots;
    return slots === null || index >= this.#length ? undefined : slots[(this.#head + index) & (slots.length - 1)];
  }

  shift(): Item | undefined {
    const slots = this.#slots;
    if (slots === null || this.#length === 0) return undefined;
    const head = this.#head;
    const item = slots[head];
    slots[head] = undefined;
    this.#head = (head + 1) & (slots.length - 1);
    if (--this.#length === 0 && slots.length > maxKeptSlots) this.#slots = null;
    return item;
  }

  /** Puts these before all others, in their order. */
  unshift(items: Item[]): void {
    if (items.length === 0) return;
    const all = [...items, ...this];
    this.clear();
    for (const item of all) this.push(item);
  }

  clear(): void {
    this.#slots = null;
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): (Item | undefined)[] {
    const items = [...this];
    const slots = new Array<Item | undefined>(Math.max(firstSlots, items.length * 2)).fill(undefined);
    for (let i = 0; i < items.length; i++) slots[i] = items[i];
    this.#slots = slots;
    this.#head = 0;
    return slots;
  }

  *[Symbol.iterator](): IterableIterator<Item> {
    for (let i = 0; i < this.#length; i++) yield this.at(i)!;
  }
}
