/** The platform of an image, in OCI's terms. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** Returns linux and this machine's processor, in OCI's terms. */
export function thisPlatform(): Platform {
  return { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
}
