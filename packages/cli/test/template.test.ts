import { expect, test } from "vitest";
import { compileTemplate } from "../src/template/render.ts";

const value = {
  Id: "sha256:ab",
  RepoTags: ["app:1", "app:2"],
  Config: { Env: ["A=1"], Labels: { b: "2", a: "1" } },
  Size: 12,
  Empty: [],
};
const cases: readonly (readonly [string, string])[] = [
  ["{{.Id}}", "sha256:ab"],
  ["{{ .Size }} bytes", "12 bytes"],
  ["{{json .Config.Env}}", '["A=1"]'],
  ["{{.RepoTags}}", "[app:1 app:2]"],
  ["{{.Config.Labels}}", "map[a:1 b:2]"],
  ['{{join .RepoTags ", "}}', "app:1, app:2"],
  ["{{range .RepoTags}}<{{.}}>{{end}}", "<app:1><app:2>"],
  ["{{range .Empty}}x{{else}}none{{end}}", "none"],
  ["{{if .Empty}}x{{else}}{{upper .Id}}{{end}}", "SHA256:AB"],
  ['{{index .Config.Labels "a"}}{{index .RepoTags 1}}{{len .RepoTags}}', "1app:22"],
  ["{{.Config.User}}", "<no value>"],
  ["a\\tb", "a\tb"],
  ["{{json .}}", JSON.stringify(value)],
];

test.each(cases)("%s", (template, text) => {
  expect(compileTemplate(template)(value)).toBe(text);
});

test.each([
  ["{{.Idd}}", /no field \.Idd/],
  ["{{printf .Id}}", /"printf" is not known/],
  ["{{range .Id}}x", /no \{\{end\}\}/],
  ["{{end}}", /without range or if/],
  ["{{.Id", /without \}\}/],
  ["{{join .RepoTags}}", /join takes 2 arguments, not 1/],
  ["{{range .Id}}{{end}}", /which is no list/],
  ["{{}}", /cannot read/],
])("%s is refused", (template, why) => {
  expect(() => compileTemplate(template)(value)).toThrow(why);
});
