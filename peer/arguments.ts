// What the command line of `peer` says, checked, and the help that teaches it.
import { Command, InvalidArgumentError, Option } from 'commander';
import { helpLines } from './commands.ts';
import { type CompletedOption, completionScript, type Shell, shells } from './completion.ts';
import type { WaitFor } from './front.ts';
import { secondColumn, wrapWords } from './wrapping.ts';

export interface Arguments {
  host: string;
  port: number;
  ownHost: string | null;
  /** 0: a free one. */
  ownPort: number;
  user: string | null;
  passwordFile: string | null;
  register: boolean;
  invite: string | null;
  resume: boolean;
  dataDir: string | null;
  history: boolean;
  hold: boolean;
  fingerprint: string | null;
  caFile: string | null;
  plain: boolean;
  json: boolean;
  wait: WaitFor;
  color: boolean;
}

/** Of the help: what most terminals have. */
const helpWidth = 80;

const commandHelp = helpLines('')
  .map((line) => `  ${line}`)
  .map((line) => wrapWords(line, helpWidth, secondColumn(line)))
  .join('\n');

const examples = `
Examples:
  peer localhost 6066                      by hand; it asks for your name
  peer localhost 6066 localhost 6067       the same, at an address of its own
  peer chat.example.org 6066 --register    make an account first
  printf 'seas\\nsummerisover\\nmessage google Hello\\n' | peer localhost 6066
                                           in a pipe: name, password, commands
  peer localhost 6066 --user seas --password-file ~/.seas < commands.txt
  peer localhost 6066 --user seas --resume
                                           go on with a session left with quit
  peer completion bash                     print what completes these options;
                                           also zsh and fish

In a pipe:
  Lines are read as they would be typed: name, password (twice with --register),
  then commands. With --user, PARLEY_PASSWORD, --password-file or --resume the
  lines for these are left out. At the end of the input it waits for what is
  under way (--wait), gives up after 30 s without progress, and logs out; after
  a line quit the token stays good for --resume. Messages and answers go to
  stdout, errors with their line number to stderr.

On a terminal:
  Tab completes commands and names, Up and Down bring back lines, and the line
  is edited as in a shell. Alt-Enter begins a further line of a message, and
  what is pasted stays one message. Ctrl-C empties the line; on an empty one it
  leaves, as Ctrl-D does.

Commands, once logged in (also with a leading /):
${commandHelp}

Exit codes:
  0   all was done
  1   a message was not delivered or not printed, a command failed, or the
      session was ended by the center
  2   wrong arguments, a name that is not valid, a refused login, or the input
      ended before it was complete
  3   the center could not be reached, or is not the one it was before
  4   displaced: the account logged in somewhere else
  70  a fault of this program
  128 and the number of the signal, when ended by one

Environment:
  PARLEY_PASSWORD   the password; never give one as an argument, where others
                    can read it
  XDG_DATA_HOME     where data is kept unless --data says so (~/.local/share)
  NO_COLOR, TERM    no colors where NO_COLOR is set or TERM is dumb
`;

function port(least: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^[0-9]+$/.test(text) || n < least || n > 65_535) {
      throw new InvalidArgumentError(`A port is a number from ${least} to 65535.`);
    }
    return n;
  };
}

/** A variable of a shell that was not set must not mean something. */
function some(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

function options(): Option[] {
  return [
    new Option('--register', 'make a new account, and log in'),
    new Option('--invite <code>', 'the invite that registering may need'),
    new Option('--user <name>', 'log in as this account'),
    new Option('--password-file <file>', 'read the password from the first line of a file'),
    new Option('--resume', 'use the token that is kept here instead of a password'),
    new Option('--data <dir>', 'keep everything in this folder'),
    new Option('--no-history', 'keep history and outbox in memory only'),
    new Option('--hold', 'leave messages at the center until inbox fetches them'),
    new Option('--fingerprint <fp>', 'the fingerprint that the center must have'),
    new Option('--ca <file>', 'a certificate authority (PEM) that must have signed the certificate of the center'),
    new Option('--plain', 'no TLS; only for a center on this machine'),
    new Option('--json', 'JSON objects instead of lines, a line each (see docs/json.md)'),
    new Option('--wait <for>', 'in a pipe, what to wait for in the end')
      .choices(['accepted', 'stored', 'none'])
      .default('accepted'),
    new Option('--no-color', 'no colors'),
  ];
}

const values: Readonly<Record<string, CompletedOption['value']>> = {
  '--password-file': 'file',
  '--ca': 'file',
  '--data': 'folder',
  '--wait': ['accepted', 'stored', 'none'],
  '--invite': 'free',
  '--user': 'free',
  '--fingerprint': 'free',
};

function completed(): CompletedOption[] {
  const all = options().map(({ long, description }) => {
    const flag = long ?? '';
    return { flag, help: description, value: values[flag] ?? 'none' };
  });
  return [
    ...all,
    { flag: '--help', help: 'explain everything', value: 'none' },
    { flag: '--version', help: 'print the version', value: 'none' },
  ];
}

/**
 * Reads argv (with node and script first). Resolves with null where nothing is left to do: a completion script was
 * printed. Throws CommanderError for wrong arguments, --help and --version, after writing what is to be said.
 */
export function readArguments(
  argv: readonly string[],
  version: string,
  write: (text: string) => void,
): Arguments | null {
  let read: Arguments | null = null;
  const program = new Command('peer')
    .description('Parley: talk through a center, and lose no message. On a terminal it asks; in a pipe it is a tool.')
    .usage('<center-host> <center-port> [own-host] [own-port] [options]')
    .argument('<center-host>', 'where the center is', some)
    .argument('<center-port>', 'its port', port(1))
    .argument('[own-host]', 'the address of this peer itself', some)
    .argument('[own-port]', 'its port; a free one is taken unless given', port(0))
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain all this')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ helpWidth, minWidthToWrap: 30 })
    .addHelpText('after', examples)
    .showHelpAfterError('peer --help explains everything.');
  for (const option of options()) {
    if (option.required && !option.parseArg) option.argParser(some);
    program.addOption(option);
  }
  program.action((host: string, centerPort: number, ownHost: string | undefined, ownPort: number | undefined) => {
    const given = program.opts<Record<string, string | boolean | undefined>>();
    const text = (name: string) => (typeof given[name] === 'string' ? given[name] : null);
    const flag = (name: string) => given[name] === true;
    read = {
      host,
      port: centerPort,
      ownHost: ownHost ?? null,
      ownPort: ownPort ?? 0,
      user: text('user'),
      passwordFile: text('passwordFile'),
      register: flag('register'),
      invite: text('invite'),
      resume: flag('resume'),
      dataDir: text('data'),
      history: flag('history'),
      hold: flag('hold'),
      fingerprint: text('fingerprint'),
      caFile: text('ca'),
      plain: flag('plain'),
      json: flag('json'),
      wait: text('wait') as WaitFor,
      color: flag('color'),
    };
    if (read.register && read.resume) program.error('error: --register and --resume exclude each other.');
  });
  program
    .command('completion', { hidden: true })
    .argument('<shell>', shells.join(', '), (shell: string): Shell => {
      const known = shells.find((one) => one === shell);
      if (known === undefined) throw new InvalidArgumentError(`There is completion for ${shells.join(', ')}.`);
      return known;
    })
    .description('print a completion script for a shell')
    .action((shell: Shell) => write(completionScript(shell, completed())));
  program.parse(argv);
  return read;
}
