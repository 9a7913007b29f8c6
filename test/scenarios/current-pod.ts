import type { ConnectOptions } from "../../host/client/agent-client.ts";
import { Pod } from "./pod.ts";

/** A pod whose agent gets killed. */
export interface CurrentPod {
  pod: Pod;
  readonly options?: ConnectOptions;
}

/** Closes the client and replaces the pod by one with a new connection of the same kind. */
export async function reconnect(current: CurrentPod): Promise<void> {
  const { client, machine, annotations } = current.pod;
  await client.close();
  current.pod = new Pod(machine, await machine.connect(current.options), annotations);
}
