// The command line of `center`: every command, option and word of help, and which act each stands for.
import { Argument, Command, CommanderError, Option } from 'commander';
import { safeLine } from '../shared/text.ts';
import { version } from '../shared/version.ts';
import * as accounts from './accounts-command.ts';
import { completionScript, shells } from './completion.ts';
import { completionHelp, importHelp, passwordHelp, serveHelp, userHelp } from './help.ts';
import { importUsers } from './import-command.ts';
import type { ProgramIo } from './io.ts';
import { addKeepCommands } from './keep-commands.ts';
import { type CenterLimits, limitTable } from './limits.ts';
import { isLoopback } from './listener.ts';
import { type LogLevel, logLevels } from './log.ts';
import type { PasswordSource } from './new-password.ts';
import { type OpenAdmin, openAdmin } from './operate.ts';
import { between, costOption, dataDirOf, dataOption, given, positive, reading } from './options.ts';
import { parseCount, parseSize, parseTime } from './quantities.ts';
import type { RegistrationMode } from './registration.ts';
import { serve } from './serve.ts';

/** 0: done. 1: it failed, and stderr says why. 2: the command line was wrong. 3: what was looked at is damaged. */
export type ExitCode = number;

const dayMs = 86_400_000;
const defaultInviteMs = 7 * dayMs;

/** Runs one command line (without the program's name); never rejects for what an operator can mend. */
export async function runProgram(argv: string[], io: ProgramIo): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = buildProgram(io, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      const names = program.commands.map((command) => command.name());
      // One word alone may have been meant as a command.
      if (error.code === 'commander.missingArgument' && argv.length === 1 && !names.includes(argv[0] ?? '')) {
        io.stderr.write(`To start a center: center HOST PORT. Its commands are ${names.join(', ')}.\n`);
      }
      return error.exitCode === 0 ? 0 : 2;
    }
    if (!(error instanceof Error)) throw error;
    io.stderr.write(`${safeLine(error.message)}\n`);
    return 1;
  }
}

interface ServeFlags {
  plain?: boolean;
  registration?: RegistrationMode;
  cert?: string;
  key?: string;
  maxStore?: number;
  expireMail?: number;
  bcryptCost?: number;
  logLevel: LogLevel;
}

function buildProgram(io: ProgramIo, done: (code: ExitCode) => void): Command {
  const program = new Command('center')
    .description('A message center: keeps the accounts, relays messages, and holds them for those who are away.')
    .usage('[options] <host> <port>\n       center user|invite|backup|restore|check|selftest|completion …')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .enablePositionalOptions()
    .showHelpAfterError('(center --help tells more)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    })
    .argument('<host>', 'address or name to listen on: localhost, 0.0.0.0, chat.example.org')
    .argument(
      '<port>',
      'TCP port to listen on; 0 takes a free one',
      reading((text) => parseCount(text, 0, 65_535)),
    )
    .addOption(dataOption(io))
    .addOption(
      new Option(
        '--registration <who>',
        'who may register (default: open on this machine, invite from elsewhere)',
      ).choices(['open', 'invite', 'closed']),
    )
    .option('--cert <file>', 'certificate (PEM) to show in TLS instead of a self-signed one; needs --key')
    .option('--key <file>', 'its key (PEM)')
    .option('--plain', 'no encryption; loopback addresses only')
    .option(
      '--max-store <size>',
      'room for all waiting mail, as 10G (default: half of the free space)',
      reading(parseSize),
    )
    .option(
      '--expire-mail <days>',
      'report mail that waits longer to its sender as expired (default: never)',
      reading((text) => positive(parseTime(text, 'd'))),
    )
    .addOption(costOption())
    .addOption(new Option('--log-level <level>', 'least level that is logged').choices([...logLevels]).default('info'));
  const limits = addLimits(program);
  program.addHelpText('after', serveHelp);
  program.action(async (host: string, port: number, flags: ServeFlags & Record<string, unknown>) => {
    if ((flags.cert === undefined) !== (flags.key === undefined)) {
      program.error('error: --cert and --key go together');
    }
    if (flags.plain && flags.cert !== undefined) program.error('error: --plain uses no certificate');
    if (flags.plain && host.toLowerCase() !== 'localhost' && !isLoopback(host)) {
      program.error(
        `error: --plain has no encryption, so passwords would cross the network readable, and ${safeLine(host)} is refused.\n` +
          'Use localhost, 127.0.0.1 or ::1, or leave --plain out.',
      );
    }
    const code = await serve(
      {
        host,
        port,
        dataDir: dataDirOf(program, io),
        plain: flags.plain ?? false,
        logLevel: flags.logLevel,
        limits: limits(flags),
        ...given('registration', flags.registration),
        ...given('certFile', flags.cert),
        ...given('keyFile', flags.key),
        ...given('maxStoreBytes', flags.maxStore),
        ...given('expireMailAfterMs', flags.expireMail),
        ...given('bcryptCost', flags.bcryptCost),
      },
      io,
    );
    done(code);
  });
  addUserCommands(program, io, done);
  addInviteCommands(program, io, done);
  addKeepCommands(program, io, done);
  program
    .command('completion')
    .description('print a script that completes center’s commands and options in a shell')
    .addArgument(new Argument('<shell>').choices([...shells]))
    .addHelpText('after', completionHelp)
    .action((shell: (typeof shells)[number]) => {
      io.stdout.write(completionScript(shell, program));
    });
  return program;
}

/** An option for each limit; returns what reads those given out of the flags. */
function addLimits(program: Command): (flags: Record<string, unknown>) => Partial<CenterLimits> {
  const names = Object.keys(limitTable) as (keyof CenterLimits)[];
  const options = names.map((name) => {
    const { unit, help, default: usual } = limitTable[name];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const [parse, placeholder] =
      unit === 'bytes'
        ? [parseSize, 'size']
        : unit === 'ms'
          ? [(text: string) => parseTime(text, 'ms'), 'time']
          : [(text: string) => parseCount(text), 'n'];
    const least = / 0: /.test(help) ? 0 : 1;
    const option = new Option(`${flag} <${placeholder}>`, `${help} (default: ${usual} ${unit})`)
      .argParser(reading((text) => between(parse(text), least)))
      .helpGroup('Limits:');
    program.addOption(option);
    return { name, attribute: option.attributeName() };
  });
  return (flags) => {
    const given = options.filter(({ attribute }) => flags[attribute] !== undefined);
    return Object.fromEntries(given.map(({ name, attribute }) => [name, flags[attribute]])) as Partial<CenterLimits>;
  };
}

// --- center user … --------------------------------------------------------------------------------

interface AdminFlags {
  bcryptCost?: number;
}

function addUserCommands(program: Command, io: ProgramIo, done: (code: ExitCode) => void): void {
  const user = program
    .command('user')
    .description('the accounts: add, import, list, unlock, passwd, ban, unban, remove, release')
    .addHelpText('after', userHelp);
  const command = (usage: string, about: string) => user.command(usage).description(about).addOption(dataOption(io));
  const act = actor(io, done);
  const passwordOption = (to: Command) =>
    to
      .option('--password-file <file>', 'read the password from the first line of a file; - is stdin')
      .addOption(costOption());

  passwordOption(command('add <name>', 'make an account; asks for the password'))
    .addHelpText('after', passwordHelp)
    .action(
      act('create', (open, [name], flags: AdminFlags & PasswordSource) => accounts.addUser(name, flags, open, io)),
    );
  command('import <file>', 'make the accounts of a credentials file; - is stdin')
    .addOption(costOption())
    .addHelpText('after', importHelp)
    .action(act('create', (open, [file]) => importUsers(file, open, io)));
  command('list', 'list the accounts')
    .option('--json', 'one JSON object a line')
    .option('--all', 'also names that are reserved because their account was removed')
    .action(
      act('existing', (open, _names, flags: AdminFlags & { json?: boolean; all?: boolean }) =>
        accounts.listUsers(flags, open, io),
      ),
    );
  command('unlock <name>', 'forget the wrong passwords given for an account, and end its lock').action(
    act('existing', ({ admin }, [name]) => accounts.unlockUser(name, admin, io)),
  );
  passwordOption(command('passwd <name>', 'set a new password; ends every session and token of the account'))
    .addHelpText('after', passwordHelp)
    .action(
      act('existing', (open, [name], flags: AdminFlags & PasswordSource) =>
        accounts.setUserPassword(name, flags, open, io),
      ),
    );
  command('ban <name>', 'end every session and token of an account and let nobody log in to it')
    .option(
      '--for <time>',
      'as 1h or 30d (default: until unban)',
      reading((text) => positive(parseTime(text))),
    )
    .option('--reason <text>', 'shown to the user')
    .action(
      act('existing', ({ admin }, [name], flags: AdminFlags & { for?: number; reason?: string }) =>
        accounts.banUser(name, { forMs: flags.for ?? null, reason: flags.reason ?? '' }, admin, io),
      ),
    );
  command('unban <name>', 'let the user of an account log in again').action(
    act('existing', ({ admin }, [name]) => accounts.unbanUser(name, admin, io)),
  );
  command('remove <name>', 'remove an account; refused while mail waits for it. Its name stays reserved')
    .option('--discard', 'throw that mail away, and tell each sender')
    .action(
      act('existing', ({ admin }, [name], flags: AdminFlags & { discard?: boolean }) =>
        accounts.removeUser(name, { discard: flags.discard ?? false }, admin, io),
      ),
    );
  command('release <name>', 'let the name of a removed account be registered again').action(
    act('existing', ({ admin }, [name]) => accounts.releaseName(name, admin, io)),
  );
}

function addInviteCommands(program: Command, io: ProgramIo, done: (code: ExitCode) => void): void {
  const act = actor(io, done);
  const invite = program
    .command('invite')
    .description('make an invite to register with; also: center invite list')
    .addOption(dataOption(io))
    .option(
      '--uses <n>',
      'how many accounts it is good for',
      reading((text) => parseCount(text, 1)),
      1,
    )
    .option(
      '--for <time>',
      'how long it is good, as 12h or 30d (default: 7d)',
      reading((text) => positive(parseTime(text))),
    )
    .action(
      act('create', ({ admin }, _names, flags: AdminFlags & { uses: number; for?: number }) =>
        accounts.makeInvite({ uses: flags.uses, forMs: flags.for ?? defaultInviteMs }, admin, io),
      ),
    );
  invite
    .command('list')
    .description('list the invites that are still good')
    .addOption(dataOption(io))
    .option('--json', 'one JSON object a line')
    .action(
      act('existing', ({ admin }, _names, flags: AdminFlags & { json?: boolean }) =>
        accounts.listInvites(flags, admin, io),
      ),
    );
}

/** Makes commander's actions of acts: opens the data directory, does one, closes it. */
function actor(io: ProgramIo, done: (code: ExitCode) => void) {
  return <Flags extends AdminFlags>(
    directory: 'create' | 'existing',
    run: (open: OpenAdmin, names: [string], flags: Flags) => Promise<ExitCode>,
  ) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const flags = command.opts<Flags>();
      const open = await openAdmin({
        dataDir: dataDirOf(command, io),
        create: directory === 'create',
        userId: io.userId,
        ...(flags.bcryptCost === undefined ? {} : { bcryptCost: flags.bcryptCost }),
      });
      try {
        done(await run(open, [command.args[0] ?? ''], flags));
      } finally {
        await open.close();
      }
    };
}
