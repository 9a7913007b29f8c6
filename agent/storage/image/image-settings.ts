/** How images are pulled, by the agent's options. */
export interface ImageSettings {
  readonly timeoutMs: number;
  /** Empty: none. */
  readonly httpsProxy: string;
  readonly noProxy: string;
}

export const defaultImageSettings: ImageSettings = { timeoutMs: 1_200_000, httpsProxy: "", noProxy: "" };
