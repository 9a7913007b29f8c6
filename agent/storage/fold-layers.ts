import { isLayer, MULTI_LAYER } from "./layer.ts";
import { refuse } from "./layer-words.ts";
import { parseLayer } from "./parse-layer.ts";
import { mountPointOf } from "./place-storage.ts";
import type { Storage } from "./storage.ts";

/** Of an overlay of the kernel. */
const MAX_LOWERS = 500;

/** The storages of a call, with the layers of a container's root as one: they are mounted, counted and released together. */
export function foldLayers(storages: readonly Storage[]): readonly Storage[] {
  const layered = storages.filter((storage) => isLayer(storage) && storage.layers === undefined);
  const [first] = layered;
  if (first === undefined) return storages;
  const mountPoint = mountPointOf(first);
  const other = layered.find((storage) => mountPointOf(storage) !== mountPoint);
  if (other !== undefined) throw refuse(`layers have the mount points ${mountPoint} and ${mountPointOf(other)}`);
  const layers = layered.map(parseLayer);
  const lowers = layers.filter(({ role }) => role === "lower").length;
  if (lowers === 0 || lowers > MAX_LOWERS)
    throw refuse(`${mountPoint} has ${lowers} lower layers, not 1 to ${MAX_LOWERS}`);
  if (layers.length - lowers > 1) throw refuse(`${mountPoint} has ${layers.length - lowers} upper layers, not one`);
  const shared = layered.some((storage) => storage.shared);
  const nothing = { driverOptions: [], source: "", fstype: "overlay", options: [] };
  const whole = { ...nothing, driver: MULTI_LAYER, mountPoint, shared, layers };
  return storages.flatMap((storage) => (storage === first ? [whole] : layered.includes(storage) ? [] : [storage]));
}
