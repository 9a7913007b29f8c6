import { containerNotes } from "../../../host/guests/template/container-notes.ts";
import { startTemplateContainer } from "../../../host/guests/template/template-container.ts";
import { makeTemplate } from "../../../host/sandbox/make-template.ts";
import { TemplateStore } from "../../../host/template/template-store.ts";

/** Makes a template with a container of an image, in which the commands have run. */
export async function addTemplate(
  name: string,
  { image, commands }: { readonly image: string; readonly commands: readonly (readonly [string, ...string[]])[] },
): Promise<void> {
  const { signal } = new AbortController();
  const output = { stdout: process.stderr, stderr: process.stderr };
  const container = { name, image: { path: image }, imageText: image, commands, output, signal };
  await new TemplateStore().create(name, (path) =>
    makeTemplate(path, {
      name,
      prepare: async (client, guest) => containerNotes([await startTemplateContainer(client, guest, container)]),
    }),
  );
}
