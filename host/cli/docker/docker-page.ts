import { COMMAND_OPTIONS } from "./command-options.ts";
import { DOCKER_COMMANDS } from "./docker-commands.ts";
import type { Support, SupportTable } from "./support.ts";

const HEAD = `# guestctl for users of docker

For those who know docker: its commands, and the options of those that guestctl has, line by line. \`npm run docs:commands\`
writes this page from the list by which guestctl refuses what it lacks:

\`\`\`text
$ guestctl run -P nginx
guestctl: run: -P: not supported; use -p, or guestctl forward
\`\`\`

[guestctl.md](guestctl.md) explains guestctl from the beginning, [guestctl-reference.md](guestctl-reference.md) has all its
options.
`;

/** Formats docs/docker.md. */
export function dockerPage(): string {
  const commands = section("Commands", "docker's command", DOCKER_COMMANDS);
  const options = Object.entries(COMMAND_OPTIONS).map(([name, table]) => section(name, "docker's option", table));
  return [HEAD, commands, ...options].join("\n");
}

function section(title: string, column: string, table: SupportTable): string {
  const rows = Object.entries(table).map(([name, support]) => `| \`${name}\` | ${inGuestctl(support)} |\n`);
  return `## ${title}\n\n| ${column} | in guestctl |\n|---|---|\n${rows.join("")}`;
}

function inGuestctl(support: Support): string {
  if (!support.isSupported) return `no: ${support.instead}`;
  return support.as === undefined ? "the same" : `yes: ${support.as}`;
}
