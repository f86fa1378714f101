// Colors for lines, by what they are about. Every line says the same without them.
import type { Tone } from './render.ts';

const colors: Readonly<Record<Tone, string>> = {
  message: '',
  own: '\x1b[36m',
  presence: '\x1b[2m',
  status: '\x1b[32m',
  faint: '\x1b[2m',
  warning: '\x1b[33m',
  error: '\x1b[31m',
};

export function paint(text: string, tone: Tone): string {
  return colors[tone] === '' ? text : `${colors[tone]}${text}\x1b[0m`;
}
