/** The environment with HOME: as given, else from the text of an /etc/passwd, else "/". */
export function withHome(env: readonly string[], uid: number, passwd: () => string | undefined): readonly string[] {
  if (env.some((entry) => entry.startsWith("HOME=") && entry.length > 5)) return env;
  const rest = env.filter((entry) => !entry.startsWith("HOME="));
  return [...rest, `HOME=${homeOf(passwd() ?? "", uid) ?? "/"}`];
}

function homeOf(passwd: string, uid: number): string | undefined {
  for (const line of passwd.split("\n")) {
    const [, , id, , , home] = line.split(":");
    if (id === String(uid) && home !== undefined && home.startsWith("/")) return home;
  }
  return undefined;
}
