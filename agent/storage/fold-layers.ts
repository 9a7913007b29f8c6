import { isLayer, MULTI_LAYER } from "./layer.ts";
import { invalidStorage } from "./layer-words.ts";
import { parseLayer } from "./parse-layer.ts";
import { checkedMountPoint } from "./place-storage.ts";
import type { Storage } from "./storage.ts";

/** The kernel's limit for an overlay. */
const MAX_LOWERS = 500;

/** Combines the layers of a container's root into one storage, which is mounted, counted and released as a whole. */
export function foldLayers(storages: readonly Storage[]): readonly Storage[] {
  const layered = storages.filter((storage) => isLayer(storage) && storage.layers === undefined);
  const [first] = layered;
  if (first === undefined) return storages;
  const mountPoint = checkedMountPoint(first);
  const other = layered.find((storage) => checkedMountPoint(storage) !== mountPoint);
  if (other !== undefined)
    throw invalidStorage(`layers have the mount points ${mountPoint} and ${checkedMountPoint(other)}`);
  const layers = layered.map(parseLayer);
  const lowers = layers.filter(({ role }) => role === "lower").length;
  if (lowers === 0 || lowers > MAX_LOWERS)
    throw invalidStorage(`${mountPoint} has ${lowers} lower layers, use 1 to ${MAX_LOWERS}`);
  if (layers.length - lowers > 1)
    throw invalidStorage(`${mountPoint} has ${layers.length - lowers} upper layers, use at most one`);
  const shared = layered.some((storage) => storage.shared);
  const nothing = { driverOptions: [], source: "", fstype: "overlay", options: [] };
  const whole = { ...nothing, driver: MULTI_LAYER, mountPoint, shared, layers };
  return storages.flatMap((storage) => (storage === first ? [whole] : layered.includes(storage) ? [] : [storage]));
}
