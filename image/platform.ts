/** What an image runs on, in the words of OCI. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** linux on this machine's processor, in OCI's words. */
export function thisPlatform(): Platform {
  return { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
}
