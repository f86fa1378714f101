// What `peer completion bash|zsh|fish` prints: the program's options for the user's shell.

export interface CompletedOption {
  /** `--wait` */
  flag: string;
  help: string;
  /** What may follow: words, a file or folder, something of the user's own, or nothing. */
  value: readonly string[] | 'file' | 'folder' | 'free' | 'none';
}

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A script to be sourced. */
export function completionScript(shell: Shell, options: readonly CompletedOption[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(options);
    case 'zsh':
      return zshScript(options);
    case 'fish':
      return fishScript(options);
  }
}

function bashScript(options: readonly CompletedOption[]): string {
  const cases = options.flatMap(({ flag, value }) => {
    if (value === 'none') return [];
    if (value === 'file') return [`    ${flag}) COMPREPLY=($(compgen -f -- "$word")); return ;;`];
    if (value === 'folder') return [`    ${flag}) COMPREPLY=($(compgen -d -- "$word")); return ;;`];
    if (value === 'free') return [`    ${flag}) return ;;`];
    return [`    ${flag}) COMPREPLY=($(compgen -W "${value.join(' ')}" -- "$word")); return ;;`];
  });
  return `# peer completion bash > ~/.local/share/bash-completion/completions/peer
_peer() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $before in
${cases.join('\n')}
    completion) COMPREPLY=($(compgen -W "${shells.join(' ')}" -- "$word")); return ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "${options.map(({ flag }) => flag).join(' ')}" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "completion" -A hostname -- "$word")) ;;
  esac
}
complete -F _peer peer
`;
}

function zshScript(options: readonly CompletedOption[]): string {
  const specs = options.map(({ flag, help, value }) => {
    const text = help.replaceAll(/[[\]:'\\]/g, ' ');
    const action =
      value === 'none'
        ? ''
        : value === 'file'
          ? ':file:_files'
          : value === 'folder'
            ? ':folder:_files -/'
            : value === 'free'
              ? ':value: '
              : `:value:(${value.join(' ')})`;
    return `  '${flag}[${text}]${action}'`;
  });
  return `#compdef peer
# peer completion zsh > "\${fpath[1]}/_peer"
_arguments \\
${specs.join(' \\\n')} \\
  '1:center host:_hosts' '2:center port: ' '3:own host:_hosts' '4:own port: '
`;
}

function fishScript(options: readonly CompletedOption[]): string {
  const lines = options.map(({ flag, help, value }) => {
    const takes =
      value === 'none'
        ? ''
        : value === 'file'
          ? ' -r -F'
          : value === 'folder'
            ? ' -x -a "(__fish_complete_directories)"'
            : value === 'free'
              ? ' -x'
              : ` -x -a "${value.join(' ')}"`;
    return `complete -c peer -l ${flag.slice(2)}${takes} -d '${help.replaceAll(/['\\]/g, ' ')}'`;
  });
  return `# peer completion fish > ~/.config/fish/completions/peer.fish
complete -c peer -f -a '(__fish_print_hostnames)'
complete -c peer -n '__fish_is_first_arg' -a completion -d 'print a completion script'
complete -c peer -n '__fish_seen_subcommand_from completion' -a '${shells.join(' ')}'
${lines.join('\n')}
`;
}
