/** Mount point that a path is on, from the text of a mountinfo file. The path must be free of symbolic links. */
export function mountPointOf(mountinfo: string, path: string): string {
  let found = "/";
  for (const line of mountinfo.split("\n")) {
    const point = (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = path === point || path.startsWith(`${point}/`);
    if (holds && point.length > found.length) found = point;
  }
  return found;
}
