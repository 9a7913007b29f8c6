import { type RestartOptions, restartBy } from "./restart.ts";
import type { Target } from "./target.ts";

export interface AddressOptions {
  readonly restart?: RestartOptions | undefined;
  /** MAC address of an interface that cases may change. */
  readonly interface?: string | undefined;
}

/** Returns the target of an agent that runs already. */
export function addressTarget(address: string, options: AddressOptions = {}): Target {
  const restart = restartBy(options.restart ?? {});
  const { interface: mac } = options;
  return {
    description: address,
    surroundings: "those of the running agent",
    open: async () => ({
      address,
      isOwn: false,
      restart,
      ...(mac === undefined ? {} : { spareInterface: async () => mac }),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
}
