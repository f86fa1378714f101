// The part of the command line that keeps a center’s data: backup, restore and check.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Command } from 'commander';
import { backupCenter, restoreCenter } from './backup-command.ts';
import { checkBackup, checkCenter } from './check-command.ts';
import { backupHelp, checkHelp, restoreHelp } from './help.ts';
import type { ProgramIo } from './io.ts';
import { dataDirOf, dataOption } from './options.ts';

export function addKeepCommands(program: Command, io: ProgramIo, done: (exitCode: number) => void): void {
  program
    .command('backup <file>')
    .description('copy the whole center into one file, while it runs or not')
    .addOption(dataOption(io))
    .option('--replace', 'also where the file exists')
    .addHelpText('after', backupHelp)
    .action(async (file: string, flags: { replace?: boolean }, command: Command) => {
      done(await backupCenter(file, { dataDir: dataDirOf(command, io), replace: flags.replace ?? false }, io));
    });
  program
    .command('restore <file>')
    .description('make a data directory of a backup; what was there before is kept aside')
    .addOption(dataOption(io))
    .addHelpText('after', restoreHelp)
    .action(async (file: string, _flags: object, command: Command) => {
      done(await restoreCenter(file, { dataDir: dataDirOf(command, io) }, io));
    });
  program
    .command('check [backup]')
    .description('look for damage in the data of a center that is stopped, or in a backup')
    .addOption(dataOption(io))
    .option('--salvage', 'where there is damage, make a good database of the rest')
    .addHelpText('after', checkHelp)
    .action(async (backup: string | undefined, flags: { salvage?: boolean }, command: Command) => {
      if (backup === undefined) {
        done(await checkCenter({ dataDir: dataDirOf(command, io), salvage: flags.salvage ?? false }, io));
      } else if (flags.salvage) {
        command.error('error: --salvage is for a data directory, not for a backup');
      } else done(await checkBackup(backup, io));
    });
  program
    .command('selftest')
    .description('let a center and peers of its own talk on this disk, kill them, and compare what was said and shown')
    .usage('[options]')
    // It is a program of its own, with options and help of its own.
    .helpOption(false)
    .allowUnknownOption()
    .argument('[options...]')
    .action(async (options: string[]) => done(await runSelftest(options)));
}

async function runSelftest(options: string[]): Promise<number> {
  // The build rewrites the endings of imports, not of URLs.
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const selftest = fork(new URL(`../scripts/selftest/main${ending}`, import.meta.url), options, { stdio: 'inherit' });
  const [exitCode] = (await once(selftest, 'exit')) as [number | null];
  // Whoever was killed has found nothing: 1 would say so.
  return exitCode ?? 2;
}
