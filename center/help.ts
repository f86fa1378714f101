// What `center --help` teaches after the list of options.

export const serveHelp = `
Examples:
  center localhost 6066               for this machine; anybody on it may register
  center 0.0.0.0 6066                 for the network; new accounts by invite
  center invite --uses 20 --for 14d   make an invite
  center user import credentials.txt  make the accounts of a file
  center backup /backup/parley.db     copy everything, while the center runs
  center localhost 0 --data /tmp/try  a free port, and data of its own
  peer localhost 6066                 then, in another terminal, the first user

Each command tells more of itself: center user --help, center user import --help
and so on. Times are written as 90s, 15m, 1h, 30d; sizes as 64K, 256M, 10G.

Files (under --data, for its owner alone):
  identity.json      what peers know the center by: keep a copy in a safe place
  center.db          accounts, waiting mail, marks (SQLite; with others beside it)
  control/socket     how these commands reach the center that runs
  lock, lock.pid     one center at a time

At the start stdout tells where the center listens, its fingerprint, its data
directory and how long an fsync takes. The log goes to stderr: readable on a
terminal, else one JSON object a line.

Signals: SIGTERM, SIGINT (Ctrl-C) and SIGHUP stop it in order; a second one ends
it at once.

Exit codes: 0 done or stopped in order; 1 it failed, and stderr says why;
2 wrong usage; 130 ended at once.

Environment:
  XDG_DATA_HOME      the default data directory is parley/center in it
  NO_COLOR           no colors in the log`;

export const userHelp = `
All of these work while the center runs and while it does not.

Examples:
  center user add seas                       asks for the password twice
  center user import credentials.txt
  center user list --json
  center user ban seas --for 1h --reason 'Please calm down.'
  center user remove seas --discard`;

export const passwordHelp = `
On a terminal the password is asked for twice and not shown; else it is the
first line of stdin:
  printf 'summerisover\\n' | center user add seas`;

export const importHelp = `
The file holds a name and a password a line; # comments and blank lines are
skipped:

  # second year
  seas summerisover
  google hasthesky

Lines that are wrong are reported with their number, and nothing is made of
them. Accounts that exist are left as they are, so the same file can be imported
again. Each password costs about a quarter of a second. Exit code 1 if any line
failed.`;

export const completionHelp = `
  bash   center completion bash > ~/.local/share/bash-completion/completions/center
  zsh    center completion zsh > "\${fpath[1]}/_center"
  fish   center completion fish > ~/.config/fish/completions/center.fish`;

export const backupHelp = `
The file is whole or not there at all, and for its owner alone: it holds the
keys by which peers know the center. It has everything that was accepted before
the backup began; everything in it is looked at, so a backup that was made can
be restored.

Exit codes: 0 done; 1 not done, and stderr says why.`;

export const restoreHelp = `
The center must be stopped. Accounts, passwords and mail are again what they
were when the backup was made, and this says which time is missing. All sessions
end. The files that were in the data directory are kept in a directory
before-restore-… inside it.`;

export const checkHelp = `
Looks at every message that waits, at the chain that all of a mailbox make, at
the database itself and at its write-ahead log, and names what is damaged. The
center must be stopped; of one that runs, a backup can be checked: center backup
FILE, then center check FILE.

With --salvage all that can still be read is put into a new database, and what
was lost is named. The damaged files are kept in a directory damaged-… inside
the data directory.

Exit codes: 0 nothing is damaged, or all was rescued; 1 it could not be looked
at; 3 something is damaged, or was lost.`;
