// The command line of `center`: how a center is started, and which file has the other commands.
import { Argument, Command, CommanderError, Option } from 'commander';
import { isLoopback } from '../shared/address.ts';
import { safeLine } from '../shared/text.ts';
import { version } from '../shared/version.ts';
import { completionScript, shells } from './completion.ts';
import { completionHelp, serveHelp } from './help.ts';
import type { ProgramIo } from './io.ts';
import { addKeepCommands } from './keep-commands.ts';
import { type CenterLimits, centerLimits, limitTable, writtenDefault } from './limits.ts';
import { type LogLevel, logLevels } from './log.ts';
import { between, costOption, dataDirOf, dataOption, given, positive, reading, refuseEmpty } from './options.ts';
import { parseCount, parseSize, parseTime } from './quantities.ts';
import type { RegistrationMode } from './registration.ts';
import { serve } from './serve.ts';
import { addInviteCommands, addUserCommands } from './user-commands.ts';

/** 0: done. 1: it failed, and stderr says why. 2: the command line was wrong. 3: what was looked at is damaged. */
export type ExitCode = number;

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
      // One word alone may have been meant as a command; none, by somebody who does not know what to say.
      if (error.code === 'commander.missingArgument' && argv.length <= 1 && !names.includes(argv[0] ?? '')) {
        io.stderr.write(`To start a center: center HOST PORT. Its commands are ${names.join(', ')}.\n`);
      }
      return error.exitCode === 0 ? 0 : 2;
    }
    if (!(error instanceof Error)) throw error;
    io.stderr.write(`${safeLine(error.message)}\n`);
    return 1;
  }
}

/** Help beside the options is wrapped while it has so many columns. */
const minWidthToWrap = 30;

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
    .exitOverride()
    .configureHelp({ minWidthToWrap })
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
    const { heartbeatMs, silenceMs } = centerLimits(limits(flags));
    if (heartbeatMs >= silenceMs) {
      program.error('error: --silence-ms must be more than --heartbeat-ms, or every quiet peer is taken for gone');
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
  teachAll(program, 'center');
  return program;
}

/** Every command points to its own help, which is asked for in one way, and takes no empty text. */
function teachAll(command: Command, name: string): void {
  refuseEmpty(command);
  command.showHelpAfterError(`(${name} --help tells more)`).helpCommand(false);
  for (const sub of command.commands) teachAll(sub, `${name} ${sub.name()}`);
}

/** An option for each limit; returns what reads those given out of the flags. */
function addLimits(program: Command): (flags: Record<string, unknown>) => Partial<CenterLimits> {
  const names = Object.keys(limitTable) as (keyof CenterLimits)[];
  const options = names.map((name) => {
    const { unit, help } = limitTable[name];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const [parse, placeholder] =
      unit === 'bytes' || unit === 'bytes/s'
        ? [parseSize, 'size']
        : unit === 'ms'
          ? [(text: string) => parseTime(text, 'ms'), 'time']
          : [(text: string) => parseCount(text), 'n'];
    const least = / 0: /.test(help) ? 0 : 1;
    const option = new Option(`${flag} <${placeholder}>`, `${help} (default: ${writtenDefault(limitTable[name])})`)
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
