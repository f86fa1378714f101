// The commands of a peer: one row each with its words, how a line or a JSON object becomes one, and what it runs.
import type { Command, CommandContext, CommandName, Reply, Row, Rows } from './command.ts';
import type { Person } from './events.ts';
import { addressed, CommandError, Fields, named, nearest, nothing, splitWord, taken, words } from './fields.ts';
import { linkCommands } from './link-commands.ts';

/** Longer lists are cut. */
export const maxListed = 50_000;
export const defaultHistoryRows = 20;

async function list(people: AsyncIterable<Person>): Promise<{ people: Person[]; more: boolean }> {
  const { items, more } = await taken(people, maxListed);
  return { people: items, more };
}

const table: Rows<CommandName> = {
  message: {
    usage: 'message NAME TEXT',
    help: 'send TEXT to NAME, who gets it now or when they log in',
    split: addressed,
    build: (fields) => ({
      command: 'message',
      to: fields.text('to', 'The name'),
      text: fields.text('text', 'The text'),
    }),
    async run({ peer }, { to, text }) {
      return { reply: 'message', message: await peer.send(to, text, { until: 'outbox' }) };
    },
  },
  broadcast: {
    usage: 'broadcast TEXT',
    help: 'send TEXT to everybody who is online now',
    split: (rest) => ({ text: rest }),
    build: (fields) => ({ command: 'broadcast', text: fields.text('text', 'The text') }),
    async run({ peer }, { text }) {
      return { reply: 'broadcast', text, ...(await peer.broadcast(text)) };
    },
  },
  online: {
    usage: 'online',
    help: 'list who is online',
    split: nothing,
    build: () => ({ command: 'online' }),
    async run({ peer }) {
      return { reply: 'online', ...(await list(peer.online())) };
    },
  },
  users: {
    usage: 'users [GLOB | /REGEX/]',
    help: 'list accounts: users al*, users /^a.*z$/',
    split: (rest) => ({ pattern: rest.trim() }),
    build: (fields) => ({ command: 'users', pattern: fields.optionalText('pattern') ?? '' }),
    async run({ peer }, { pattern }) {
      return { reply: 'users', ...(await list(peer.users(pattern))) };
    },
  },
  block: {
    usage: 'block NAME',
    help: 'neither of you sees or writes to the other any more',
    split: named('name'),
    build: (fields) => ({ command: 'block', name: fields.text('name', 'The name') }),
    async run({ peer }, { name }) {
      return { reply: 'block', name, ...(await peer.block(name)) };
    },
  },
  unblock: {
    usage: 'unblock NAME',
    help: 'take the block back',
    split: named('name'),
    build: (fields) => ({ command: 'unblock', name: fields.text('name', 'The name') }),
    async run({ peer }, { name }) {
      return { reply: 'unblock', name, ...(await peer.unblock(name)) };
    },
  },
  blocked: {
    usage: 'blocked',
    help: 'list whom you have blocked',
    split: nothing,
    build: () => ({ command: 'blocked' }),
    async run({ peer }) {
      return { reply: 'blocked', ...(await list(peer.blocked())) };
    },
  },
  ...linkCommands,
  inbox: {
    usage: 'inbox [N]',
    help: 'fetch the N oldest messages that are held at the center, or all',
    split: named('limit'),
    build: (fields) => ({ command: 'inbox', limit: fields.count('limit', 1, 0) }),
    async run({ peer }, { limit }) {
      return { reply: 'inbox', ...(await (limit === 0 ? peer.inbox() : peer.inbox(limit))) };
    },
  },
  hold: {
    usage: 'hold [on | off]',
    help: 'leave messages at the center until inbox fetches them',
    split: named('on'),
    build: (fields) => ({ command: 'hold', on: fields.flag('on', true) }),
    async run({ peer }, { on }) {
      return { reply: 'hold', on, ...(await peer.hold(on)) };
    },
  },
  outbox: {
    usage: 'outbox',
    help: 'list what is not accepted yet (private: not stored), with its age and why',
    split: nothing,
    build: () => ({ command: 'outbox' }),
    async run({ peer }) {
      return { reply: 'outbox', messages: peer.outbox() };
    },
  },
  cancel: {
    usage: 'cancel N',
    help: 'withdraw message N of the outbox, if nobody else can have it yet',
    split: named('number'),
    build: (fields) => ({ command: 'cancel', number: fields.count('number', 1) }),
    async run({ peer }, { number }) {
      return { reply: 'cancel', message: await peer.cancel(number) };
    },
  },
  history: {
    usage: 'history [NAME] [N]',
    help: `show the last N messages (${defaultHistoryRows}), with NAME or with everybody`,
    split(rest) {
      const given = words(rest);
      const [first, second] = given;
      const onlyNumber = given.length === 1 && first !== undefined && /^[0-9]+$/.test(first);
      const left = nothing(given.slice(2).join(' '));
      return onlyNumber ? { limit: first } : { with: first, limit: second, ...left };
    },
    build: (fields) => ({
      command: 'history',
      with: fields.optionalText('with') ?? '',
      limit: fields.count('limit', 1, defaultHistoryRows),
    }),
    async run({ peer }, { with: name, limit }) {
      return { reply: 'history', lines: peer.history(name === '' ? { limit } : { with: name, limit }) };
    },
  },
  passwd: {
    usage: 'passwd',
    help: 'change the password: asks for the old one and twice for the new one',
    split: nothing,
    build: (fields) =>
      withoutMissing({ command: 'passwd', old: fields.optionalText('old'), new: fields.optionalText('new') }),
    alone: true,
    async run(context, command) {
      const old = command.old ?? (await askSecret(context, 'Old password: '));
      const fresh = command.new ?? (await askSecret(context, 'New password: '));
      const again = command.new ?? (await askSecret(context, 'New password again: '));
      if (fresh !== again) throw new CommandError('The two new passwords differ; the password stays as it was.');
      await context.peer.passwd(old, fresh);
      return { reply: 'passwd' };
    },
  },
  'delete-account': {
    usage: 'delete-account',
    help: 'delete the account for ever, when all its mail is delivered: asks for the password',
    split: nothing,
    build: (fields) =>
      withoutMissing({
        command: 'delete-account',
        password: fields.optionalText('password'),
        discardOutbox: fields.flag('discardOutbox', false),
      }),
    alone: true,
    async run(context, command) {
      const password = command.password ?? (await askSecret(context, 'Password: '));
      const stayed = await context.emptyOutbox();
      if (stayed.length > 0 && !command.discardOutbox) {
        context.showOutbox(stayed);
        const prompt = `Delete the account and ${stayed.length === 1 ? 'this message' : 'these messages'}? Type yes: `;
        const answer = await context.ask({ prompt, secret: false });
        if (answer?.trim().toLowerCase() !== 'yes') return { reply: 'delete-account', deleted: false };
      }
      await context.peer.deleteAccount(password, { discardOutbox: stayed.length > 0 });
      return { reply: 'delete-account', deleted: true };
    },
  },
  logout: {
    usage: 'logout',
    help: 'end the session: the next login needs the password',
    split: nothing,
    build: () => ({ command: 'logout' }),
    alone: true,
    async run({ peer }) {
      await peer.logout();
      return { reply: 'logout' };
    },
  },
  quit: {
    usage: 'quit',
    help: 'go offline and leave; --resume comes back without the password',
    split: nothing,
    build: () => ({ command: 'quit' }),
    alone: true,
    async run({ peer }) {
      await peer.close();
      return { reply: 'quit' };
    },
  },
  help: {
    usage: 'help [COMMAND]',
    help: 'list the commands, or explain one',
    split: named('topic'),
    build: (fields) => ({ command: 'help', topic: fields.optionalText('topic') ?? '' }),
    async run(_desk, { topic }) {
      return { reply: 'help', lines: helpLines(topic) };
    },
  },
};

/** Every command that there is, in the order of help. */
export const peerCommands: readonly CommandName[] = Object.keys(table) as CommandName[];

function withoutMissing<C extends Command>(command: { [K in keyof C]: C[K] | undefined }): C {
  return Object.fromEntries(Object.entries(command).filter(([, value]) => value !== undefined)) as C;
}

async function askSecret(context: CommandContext, prompt: string): Promise<string> {
  const answer = await context.ask({ prompt, secret: true });
  if (answer === null) throw new CommandError('There was no answer; nothing was changed.');
  return answer;
}

/** The lines of help about one command, or about all. Throws CommandError where there is none of this name. */
export function helpLines(topic: string): string[] {
  if (topic !== '') {
    const name = findCommand(topic);
    return [table[name].usage, `    ${table[name].help}`];
  }
  const width = Math.max(...peerCommands.map((name) => table[name].usage.length));
  return peerCommands.map((name) => `${table[name].usage.padEnd(width)}  ${table[name].help}`);
}

function findCommand(typed: string): CommandName {
  const bare = typed.replace(/^\//, '').toLowerCase();
  if (Object.hasOwn(table, bare)) return bare as CommandName;
  const meant = nearest(bare, peerCommands);
  const hint = meant === null ? 'help lists the commands.' : `Did you mean ${meant}? help lists the commands.`;
  throw new CommandError(`Unknown command: ${typed.slice(0, 32)}. ${hint}`);
}

/** Reads a typed line, `message google Hello` or `/message google Hello`. Throws CommandError; null for a blank line. */
export function parseLine(line: string): Command | null {
  if (line.trim() === '') return null;
  const { word, rest } = splitWord(line.trimStart());
  const row = table[findCommand(word)];
  return build(row, row.split(rest));
}

/** Reads `{"command":"message","to":"google","text":"Hello"}`. Throws CommandError. */
export function parseObject(object: Readonly<Record<string, unknown>>): Command {
  const { command, ...values } = object;
  if (typeof command !== 'string') throw new CommandError('The object needs "command": the name of a command.');
  return build(table[findCommand(command)], values);
}

function build(row: Row<Command> | Rows<CommandName>[CommandName], values: Readonly<Record<string, unknown>>): Command {
  const fields = new Fields(values, row.usage);
  const command = row.build(fields);
  fields.end();
  return command;
}

/** True where no other command may run beside it. */
export function runsAlone(command: Command): boolean {
  return table[command.command].alone === true;
}

/** Runs it. Rejects with ParleyError or CommandError. */
export function runCommand(context: CommandContext, command: Command): Promise<Reply> {
  const row = table[command.command] as Row<Command>;
  return row.run(context, command);
}
