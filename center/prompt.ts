// Asks the operator at a terminal for a password, which is not shown while it is typed.
import { StringDecoder } from 'node:string_decoder';

export interface PromptTerminal {
  input: NodeJS.ReadableStream & { setRawMode?(raw: boolean): unknown };
  output: { write(text: string): unknown };
}

/** No password is longer; what is typed beyond is refused by the rule for passwords. */
const maxTyped = 512;

const interrupt = '\u0003';
const endOfInput = '\u0004';
const clearLine = '\u0015';
const erasers = '\b\u007f';

/** The line typed, or null where the operator gave up (Ctrl-C, or the end of the input). */
export function askHidden(terminal: PromptTerminal, question: string): Promise<string | null> {
  const { input, output } = terminal;
  const decoder = new StringDecoder('utf8');
  let typed: string[] = [];
  output.write(question);
  input.setRawMode?.(true);
  return new Promise((resolve) => {
    const finish = (line: string | null) => {
      input.off('data', read);
      input.off('end', giveUp);
      input.pause();
      input.setRawMode?.(false);
      output.write('\n');
      resolve(line);
    };
    const giveUp = () => finish(null);
    const read = (chunk: Buffer | string) => {
      const characters = [...decoder.write(Buffer.from(chunk))];
      for (const [index, character] of characters.entries()) {
        if (character === '\r' || character === '\n') {
          // Pasted or typed ahead: it is the answer to the next question.
          const rest = characters.slice(index + 1).join('');
          finish(typed.join(''));
          if (rest !== '') input.unshift(Buffer.from(rest));
          return;
        }
        if (character === interrupt || character === endOfInput) return giveUp();
        if (character === clearLine) typed = [];
        else if (erasers.includes(character)) typed.pop();
        else if (character >= ' ' && typed.length < maxTyped) typed.push(character);
      }
    };
    input.on('data', read);
    input.on('end', giveUp);
    input.resume();
  });
}
