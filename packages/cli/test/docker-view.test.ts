import type { ImageDetails } from "@tsbuild/engine";
import { expect, test } from "vitest";
import { dockerView } from "../src/template/docker-view.ts";
import { compileTemplate } from "../src/template/render.ts";

const details = {
  Id: "sha256:ab",
  RepoTags: [],
  RepoDigests: [],
  Size: 12,
  RootFS: { Type: "layers", Layers: [] },
  Config: { Env: ["A=1"] },
} as unknown as ImageDetails;

// What docker 20.10 and 28 print for an image with one variable and nothing else.
test.each([
  ["{{.ID}} {{.Id}} {{.Parent}}{{.Variant}}", "sha256:ab sha256:ab "],
  ["{{.Config.User}}|{{.Config.WorkingDir}}", "|"],
  ["{{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.Labels}} {{.Config.Volumes}}", "[] [] map[] map[]"],
  ["{{json .Config.Entrypoint}} {{json .Config.Labels}} {{json .Config.Env}}", 'null null ["A=1"]'],
  ["{{if .Config.Labels}}x{{else}}none{{end}}{{range .Config.Cmd}}x{{end}}{{len .Config.Volumes}}", "none0"],
  ['{{index .Config.Labels "a"}}', ""],
  ["{{with .Config.Healthcheck}}{{.Test}}{{end}}", ""],
])("a field that is not set: %s", (template, expected) =>
  expect(compileTemplate(template)(dockerView(details))).toBe(expected),
);

test("as JSON there is no more than there was", () => {
  expect(compileTemplate("{{json .}}")(dockerView(details))).toBe(JSON.stringify(details));
});
