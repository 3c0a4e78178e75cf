/* lattice completion: what a shell needs to complete commands, options and peers, out of the tables that the command goes by. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/options.h"

/* Text within single quotes of a shell; with @zsh also without what _arguments gives a meaning to. */
static void quote(const char *text, bool zsh)
{
	putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (zsh && strchr("[]:\\", *text) != NULL)
			printf("\\%c", *text);
		else
			putchar(*text);
	}
	putchar('\'');
}

/* Whether the command's argument is a file, or names another node. */
static bool takes_file(const struct cli_command *cmd)
{
	return strncmp(cmd->args, "FILE", 4) == 0 || strcmp(cmd->args, "ID|FILE") == 0;
}

static bool takes_peer(const struct cli_command *cmd)
{
	return strncmp(cmd->args, "NAME", 4) == 0 || strcmp(cmd->args, "TARGET") == 0;
}

/* Or a service of this machine. */
static bool takes_service(const struct cli_command *cmd)
{
	return strncmp(cmd->args, "TARGET ", 7) == 0 || cmd == &cli_cap_grant;
}

static const char *argument(const struct cli_command *cmd)
{
	return takes_file(cmd) ? "file" : takes_peer(cmd) ? "peer" : takes_service(cmd) ? "service" : "''";
}

/* The first word of a command; true when it is not the same as that of the one before. */
static bool first_word(size_t i, char out[static 32])
{
	size_t length = strcspn(cli_commands[i]->name, " ");

	(void)snprintf(out, 32, "%.*s", (int)length, cli_commands[i]->name);
	return i == 0 || strncmp(cli_commands[i - 1]->name, cli_commands[i]->name, length + 1) != 0;
}

/* Those of @cmd's options whose value is of @kind (or that have none), as "-d --dir ". */
static void print_options(const struct cli_command *cmd, enum cli_kind kind, bool all)
{
	for (const int *o = cmd->options; *o != 0; o++) {
		const struct cli_row *row = cli_row(*o);

		if (!all && row->kind != kind)
			continue;
		if (cli_letter(*o) != 0)
			printf("-%c ", cli_letter(*o));
		printf("--%s ", row->name);
	}
}

static void print_values(const struct cli_command *cmd)
{
	print_options(cmd, KIND_TEXT, false);
	print_options(cmd, KIND_NAME, false);
	print_options(cmd, KIND_NUMBER, false);
	print_options(cmd, KIND_SECONDS, false);
}

/* ---- bash ---- */

static void print_bash(void)
{
	char word[32];

	printf("# bash completion for lattice: eval \"$(lattice completion bash)\"\n"
	       "_lattice()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal cmd=${COMP_WORDS[1]} at=2 opts= files= folders= values= arg=\n"
	       "\tCOMPREPLY=()\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; cli_commands[i] != NULL; i++)
		if (first_word(i, word))
			printf("%s ", word);
	printf("' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase $cmd in\n");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const char *space = strchr(cli_commands[i]->name, ' ');

		if (space == NULL || !first_word(i, word))
			continue;
		printf("\t%s)\n\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n\t\t\tCOMPREPLY=($(compgen -W '",
		       word);
		for (size_t k = i; cli_commands[k] != NULL; k++)
			if (strncmp(cli_commands[k]->name, cli_commands[i]->name, strlen(word) + 1) == 0)
				printf("%s ", cli_commands[k]->name + strlen(word) + 1);
		printf("' -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n\t\tcmd=\"$cmd ${COMP_WORDS[2]}\" at=3\n\t\t;;\n");
	}
	printf("\tesac\n\tcase $cmd in\n");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *cmd = cli_commands[i];

		printf("\t'%s')\n\t\topts='", cmd->name);
		print_options(cmd, KIND_FLAG, true);
		printf("'\n\t\tfiles='");
		print_options(cmd, KIND_FILE, false);
		printf("'\n\t\tfolders='");
		print_options(cmd, KIND_FOLDER, false);
		printf("'\n\t\tvalues='");
		print_values(cmd);
		printf("'\n\t\targ=%s\n\t\t;;\n", argument(cmd));
	}
	printf("\tesac\n"
	       "\tcase \" $files\" in *\" $prev \"*) COMPREPLY=($(compgen -f -- \"$cur\")); return ;; esac\n"
	       "\tcase \" $folders\" in *\" $prev \"*) COMPREPLY=($(compgen -d -- \"$cur\")); return ;; esac\n"
	       "\tcase $prev in --to|--peer) opts= arg=peer values= ;; esac\n"
	       "\tcase \" $values\" in *\" $prev \"*) return ;; esac\n"
	       "\tif [[ $cur == -* ]]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W \"$opts\" -- \"$cur\"))\n"
	       "\telif [ $arg = file ]; then\n"
	       "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	       "\telif [ $arg = peer ]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" peers list 2>/dev/null |\n"
	       "\t\t\twhile read -r number name _; do echo \"$number\"; [ \"$name\" = - ] || echo \"$name\"; done)\""
	       " -- \"$cur\"))\n"
	       "\telif [ $arg = service ]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" node status 2>/dev/null |\n"
	       "\t\t\tsed -n 's/.*, service //p')\" -- \"$cur\"))\n"
	       "\tfi\n}\ncomplete -F _lattice lattice\n");
}

/* ---- zsh ---- */

static void print_zsh_options(const struct cli_command *cmd)
{
	for (const int *o = cmd->options; *o != 0; o++) {
		const struct cli_row *row = cli_row(*o);
		char help[256];

		(void)snprintf(help, sizeof(help), "%s", row->help);
		printf(" \\\n\t\t\t");
		if (cli_letter(*o) != 0)
			printf("'(-%c --%s)'{-%c,--%s}", cli_letter(*o), row->name, cli_letter(*o),
			       row->name);
		else
			printf("--%s", row->name);
		printf("'['");
		quote(help, true);
		printf("']'");
		if (row->arg != NULL) {
			printf("':'");
			quote(row->arg, true);
			printf("':%s'", row->kind == KIND_FILE     ? "_files"
					: row->kind == KIND_FOLDER ? "_files -/"
								   : "");
		}
	}
}

static void print_zsh(void)
{
	char word[32];

	printf("#compdef lattice\n# zsh completion for lattice: lattice completion zsh > a folder of $fpath/_lattice\n"
	       "_lattice_peers()\n{\n\tlocal -a peers\n"
	       "\tpeers=(${(f)\"$(lattice peers list 2>/dev/null | while read -r number name rest; do\n"
	       "\t\techo $number; [[ $name == - ]] || echo $name; done)\"})\n\tcompadd -a peers\n}\n\n"
	       "_lattice_services()\n{\n\tlocal -a services\n"
	       "\tservices=(${(f)\"$(lattice node status 2>/dev/null | sed -n 's/.*, service //p')\"})\n"
	       "\tcompadd -a services\n}\n\n"
	       "_lattice()\n{\n\tlocal cmd=$words[2]\n\tif (( CURRENT == 2 )); then\n\t\tcompadd");
	for (size_t i = 0; cli_commands[i] != NULL; i++)
		if (first_word(i, word))
			printf(" %s", word);
	printf("\n\t\treturn\n\tfi\n\tcase $cmd in\n");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		if (strchr(cli_commands[i]->name, ' ') == NULL || !first_word(i, word))
			continue;
		printf("\t%s)\n\t\tif (( CURRENT == 3 )); then\n\t\t\tcompadd", word);
		for (size_t k = i; cli_commands[k] != NULL; k++)
			if (strncmp(cli_commands[k]->name, cli_commands[i]->name, strlen(word) + 1) == 0)
				printf(" %s", cli_commands[k]->name + strlen(word) + 1);
		printf("\n\t\t\treturn\n\t\tfi\n\t\tcmd=\"$cmd $words[3]\"\n\t\tshift words; (( CURRENT-- ))\n\t\t;;\n");
	}
	printf("\tesac\n\tshift words; (( CURRENT-- ))\n\tcase $cmd in\n");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *cmd = cli_commands[i];

		printf("\t'%s')\n\t\t_arguments", cmd->name);
		print_zsh_options(cmd);
		if (takes_file(cmd))
			printf(" \\\n\t\t\t'1:file:_files'");
		if (takes_peer(cmd))
			printf(" \\\n\t\t\t'1:node:_lattice_peers'");
		if (takes_service(cmd))
			printf(" \\\n\t\t\t'1:service:_lattice_services'");
		printf("\n\t\t;;\n");
	}
	printf("\tesac\n}\n\n_lattice \"$@\"\n");
}

/* ---- fish ---- */

static void print_fish(void)
{
	char word[32];

	printf("# fish completion for lattice: lattice completion fish > ~/.config/fish/completions/lattice.fish\n"
	       "complete -c lattice -f\n");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *cmd = cli_commands[i];
		const char *space = strchr(cmd->name, ' ');

		if (first_word(i, word)) {
			printf("complete -c lattice -n __fish_use_subcommand -a %s -d ", word);
			quote(space == NULL ? cmd->summary : "a group of commands", false);
			putchar('\n');
		}
		if (space != NULL) {
			printf("complete -c lattice -n '__fish_seen_subcommand_from %s' -a %s -d ", word,
			       space + 1);
			quote(cmd->summary, false);
			putchar('\n');
		}
		if (takes_service(cmd))
			printf("complete -c lattice -n '__fish_seen_subcommand_from %s' -a "
			       "\"(lattice node status 2>/dev/null | string replace -rf '.*, service ' '')\"\n",
			       word);
		for (const int *o = cmd->options; *o != 0; o++) {
			const struct cli_row *row = cli_row(*o);

			printf("complete -c lattice -n '__fish_seen_subcommand_from %s", word);
			if (space != NULL)
				printf("; and __fish_seen_subcommand_from %s", space + 1);
			printf("' -l %s", row->name);
			if (cli_letter(*o) != 0)
				printf(" -s %c", cli_letter(*o));
			if (row->arg != NULL)
				printf(" -%s",
				       row->kind == KIND_FILE || row->kind == KIND_FOLDER ? "rF" : "x");
			printf(" -d ");
			quote(row->help, false);
			putchar('\n');
		}
	}
}

static int run_completion(const struct cli_options *opt, int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	(void)opt;
	(void)argc;
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(argv[0], shells[i].shell) == 0) {
			shells[i].print();
			return CLI_OK;
		}
	}
	return cli_usage("'%s' is none of bash, zsh, fish", argv[0]);
}

const struct cli_command cli_completion = {
	.name = "completion",
	.args = "bash|zsh|fish",
	.summary = "print what a shell needs to complete this command",
	.text = "Prints a script for the shell, whose first line says where it belongs. It completes commands, options, files,\n"
		"and the names of known nodes and of this machine's services.",
	.options = (const int[]){ OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_completion,
};
