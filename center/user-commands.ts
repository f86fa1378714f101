// The command line of `center user` and `center invite`: what an operator does to accounts, and which act each stands for.
import type { Command } from 'commander';
import * as accounts from './accounts-command.ts';
import { importHelp, passwordHelp, userHelp } from './help.ts';
import { importUsers } from './import-command.ts';
import type { ProgramIo } from './io.ts';
import type { PasswordSource } from './new-password.ts';
import { type OpenAdmin, openAdmin } from './operate.ts';
import { costOption, dataDirOf, dataOption, positive, reading } from './options.ts';
import type { ExitCode } from './program.ts';
import { parseCount, parseTime } from './quantities.ts';

const dayMs = 86_400_000;
const defaultInviteMs = 7 * dayMs;

interface AdminFlags {
  bcryptCost?: number;
}

export function addUserCommands(program: Command, io: ProgramIo, done: (code: ExitCode) => void): void {
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

export function addInviteCommands(program: Command, io: ProgramIo, done: (code: ExitCode) => void): void {
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
