// Scripts with which bash, zsh and fish complete the commands and options of `center`, made from the command line itself.
import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;

interface Level {
  /** The commands before: `user add`; empty for the program itself. */
  path: string[];
  about: string;
  commands: { name: string; about: string }[];
  options: { flag: string; about: string; value: 'none' | 'file' | 'directory' | 'other' | readonly string[] }[];
  /** What its arguments are completed to. */
  words: readonly string[];
  takesFile: boolean;
}

export function completionScript(shell: (typeof shells)[number], program: Command): string {
  const levels = [...levelsOf(program, [])];
  switch (shell) {
    case 'bash':
      return bash(levels);
    case 'zsh':
      return zsh(levels);
    case 'fish':
      return fish(levels);
  }
}

function* levelsOf(command: Command, path: string[]): Generator<Level> {
  const help = command.createHelp();
  const { registeredArguments } = command;
  yield {
    path,
    about: command.description(),
    commands: help.visibleCommands(command).map((sub) => ({ name: sub.name(), about: sub.description() })),
    options: help.visibleOptions(command).flatMap((option) => {
      const value = valueTaken(option);
      return [option.short, option.long]
        .filter((flag) => flag !== undefined && flag !== null)
        .map((flag) => ({ flag, about: option.description, value }));
    }),
    words: registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    takesFile: registeredArguments.some((argument) => ['file', 'backup'].includes(argument.name())),
  };
  for (const sub of command.commands) yield* levelsOf(sub, [...path, sub.name()]);
}

function valueTaken(option: Option): Level['options'][number]['value'] {
  if (option.argChoices) return option.argChoices;
  if (option.flags.includes('<file>')) return 'file';
  if (option.flags.includes('<dir>')) return 'directory';
  return option.required ? 'other' : 'none';
}

function bash(levels: Level[]): string {
  const cases = levels.map(({ path, commands, options, words, takesFile }) => {
    const all = [...commands.map(({ name }) => name), ...words, ...options.map(({ flag }) => flag)];
    const files = takesFile ? ` files=1` : '';
    return `    '${path.join(' ')}') words='${all.join(' ')}'${files} ;;`;
  });
  const values = new Map<string, string>();
  for (const { flag, value } of levels.flatMap((level) => level.options)) {
    const action =
      value === 'file'
        ? 'compgen -f -- "$word"'
        : value === 'directory'
          ? 'compgen -d -- "$word"'
          : typeof value === 'object'
            ? `compgen -W '${value.join(' ')}' -- "$word"`
            : value === 'other'
              ? ':'
              : null;
    if (action !== null) values.set(flag, action);
  }
  const valueCases = [...values].map(([flag, action]) => `    ${flag}) mapfile -t COMPREPLY < <(${action}); return ;;`);
  return `# bash completion for center
_center() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path='' words='' files='' at
  case "$before" in
${valueCases.join('\n')}
  esac
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "\${path:+$path }\${COMP_WORDS[at]}" in
      ${pathsOf(levels)
        .map((path) => `'${path}'`)
        .join('|')}) path="\${path:+$path }\${COMP_WORDS[at]}" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  if [[ -n $files ]]; then mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word"); fi
}
complete -o filenames -F _center center
`;
}

function zsh(levels: Level[]): string {
  const cases = levels.map(({ path, commands, options, words, takesFile }) => {
    const named = [
      ...commands.map(({ name, about }) => zshQuote(`${name}:${about}`)),
      ...words.map((word) => zshQuote(word)),
    ];
    const flags = options.map(({ flag, about }) => zshQuote(`${flag}:${about}`));
    return [
      `    ${zshQuote(path.join(' '))})`,
      `      named=(${named.join(' ')})`,
      `      flags=(${flags.join(' ')})`,
      ...(takesFile ? ['      files=1'] : []),
      '      ;;',
    ].join('\n');
  });
  const values = new Map<string, string>();
  for (const { flag, value } of levels.flatMap((level) => level.options)) {
    if (value === 'file') values.set(flag, '_files');
    else if (value === 'directory') values.set(flag, '_files -/');
    else if (typeof value === 'object') values.set(flag, `compadd -- ${value.join(' ')}`);
    else if (value === 'other') values.set(flag, "_message 'value'");
  }
  return `#compdef center
# zsh completion for center
_center() {
  local path_so_far='' files='' word next
  local -a named flags
  case "\${words[CURRENT-1]}" in
${[...values].map(([flag, action]) => `    ${flag}) ${action}; return ;;`).join('\n')}
  esac
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${path_so_far:+$path_so_far }$word"
    case "$next" in
      ${pathsOf(levels).map(zshQuote).join('|')}) path_so_far="$next" ;;
    esac
  done
  case "$path_so_far" in
${cases.join('\n')}
  esac
  (( \${#named} )) && _describe 'command' named
  [[ "\${words[CURRENT]}" == -* ]] && _describe 'option' flags
  [[ -n "$files" ]] && _files
}
if [[ "\${funcstack[1]}" == _center ]]; then _center "$@"; else compdef _center center; fi
`;
}

function fish(levels: Level[]): string {
  const lines = ['# fish completion for center', 'complete -c center -f'];
  for (const { path, commands, options, words, takesFile } of levels) {
    const condition = fishCondition(path, levels);
    for (const { name, about } of commands) {
      lines.push(`complete -c center -n ${condition} -a ${fishQuote(name)} -d ${fishQuote(about)}`);
    }
    if (words.length > 0) lines.push(`complete -c center -n ${condition} -a ${fishQuote(words.join(' '))}`);
    if (takesFile) lines.push(`complete -c center -n ${condition} -F`);
    for (const { flag, about, value } of options) {
      const name = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
      const takes =
        value === 'none'
          ? ''
          : value === 'file'
            ? ' -r -F'
            : value === 'directory'
              ? " -x -a '(__fish_complete_directories)'"
              : value === 'other'
                ? ' -x'
                : ` -x -a ${fishQuote(value.join(' '))}`;
      lines.push(`complete -c center -n ${condition} ${name}${takes} -d ${fishQuote(about)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** True where exactly these commands were given. */
function fishCondition(path: string[], levels: Level[]): string {
  const deeper = levels
    .filter((level) => level.path.length === path.length + 1 && path.every((name, at) => level.path[at] === name))
    .map((level) => level.path.at(-1));
  const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`);
  const unseen = deeper.length > 0 ? [`not __fish_seen_subcommand_from ${deeper.join(' ')}`] : [];
  return fishQuote([...seen, ...unseen].join('; and ') || 'true');
}

function pathsOf(levels: Level[]): string[] {
  return levels.filter(({ path }) => path.length > 0).map(({ path }) => path.join(' '));
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
