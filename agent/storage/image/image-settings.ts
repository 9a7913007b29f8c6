/** Options for pulling images, from the agent's configuration. */
export interface ImageSettings {
  readonly timeoutMs: number;
  /** Empty for none. */
  readonly httpsProxy: string;
  readonly noProxy: string;
}

export const defaultImageSettings: ImageSettings = { timeoutMs: 1_200_000, httpsProxy: "", noProxy: "" };
