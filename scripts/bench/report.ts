// What the bench prints: a table as soon as its row is measured, or all figures as one JSON document at the end.
import type { Row } from './figures.ts';
import { type LinkFigures, renderLinks } from './links.ts';
import { renderTable } from './table.ts';

export type Machine = Record<string, string | number | boolean>;

/** A system that was asked for and is not installed. */
export interface LeftOut {
  system: string;
  title: string;
  /** What brings it. */
  missing: string;
}

export class Report {
  readonly #machine: Machine;
  readonly #leftOut: readonly LeftOut[];
  readonly #isJson: boolean;
  readonly #write: (text: string) => void;
  readonly #rows: Row[] = [];
  #links: LinkFigures | null = null;

  constructor(
    machine: Machine,
    leftOut: readonly LeftOut[],
    options: { isJson: boolean; write: (text: string) => void },
  ) {
    this.#machine = machine;
    this.#leftOut = leftOut;
    this.#isJson = options.isJson;
    this.#write = options.write;
    const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
    const absent = leftOut.map(({ title, missing }) => `not installed and left out: ${title} (${missing})\n`);
    this.#print(`${facts.join(', ')}\n${absent.join('')}\n`);
  }

  rows(rows: readonly Row[]): void {
    this.#rows.push(...rows);
    if (rows.length > 0) this.#print(`${renderTable(rows)}\n`);
  }

  links(figures: LinkFigures): void {
    this.#links = figures;
    this.#print(`${renderLinks(figures)}\n`);
  }

  /** interrupted: rows or rounds are missing. */
  end({ interrupted }: { interrupted: boolean }): void {
    if (!this.#isJson) return;
    const document = {
      machine: this.#machine,
      interrupted,
      leftOut: this.#leftOut,
      rows: this.#rows,
      links: this.#links,
    };
    this.#write(`${JSON.stringify(document, null, 2)}\n`);
  }

  #print(text: string): void {
    if (!this.#isJson) this.#write(text);
  }
}
