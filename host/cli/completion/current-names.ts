import { splitName } from "../../engine/image/store/image-name.ts";
import { ImageStore } from "../../engine/image/store/image-store.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import type { NameKind } from "./complete.ts";

/** Returns the names of this user's containers, guests, images or volumes from guestctl's records, without asking any agent. */
export async function currentNames(kind: NameKind): Promise<readonly string[]> {
  if (kind === "image") {
    const names = new ImageStore().list().flatMap((image) => image.names);
    return names.map((name) => {
      const { repository, tag } = splitName(name);
      return `${repository}${tag.startsWith("sha256:") ? "@" : ":"}${tag}`;
    });
  }
  if (kind === "volume") return new VolumeStore().list().map(({ name }) => name);
  const store = new StateStore();
  const guests = [...store.guests(), ...store.endedGuests()].map(({ name }) => name);
  if (kind === "guest") return guests;
  const processes = guests.flatMap((guest) => store.processes.list(guest));
  return processes.filter(({ container, exec }) => container === exec).map(({ container }) => container);
}
