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
  ["{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"],
  ["{{range $i, $t := .RepoTags}}{{if $i}}, {{end}}{{$t}}{{end}}", "app:1, app:2"],
  ["{{range .RepoTags}}{{println .}}{{end}}", "app:1\napp:2\n"],
  ['{{.Id | printf "%-12s|"}}', "sha256:ab   |"],
  ["{{(index .RepoTags 0) | upper}}", "APP:1"],
  ["{{if eq .Size 12}}twelve{{else if .Empty}}x{{else}}y{{end}}", "twelve"],
  ["{{if and .RepoTags (not .Empty)}}yes{{end}}", "yes"],
  ["{{with .Config}}{{.Labels.a}}{{$.Size}}{{end}}", "112"],
  ["{{$x := len .RepoTags}}{{$x}}{{/* why */}}", "2"],
  ["a  {{- .Size -}}  b", "a12b"],
  ['{{slice .Id 7}} {{truncate .Id 3}} {{index (split .Id ":") 1}}', "ab sha ab"],
  ['{{join .RepoTags "\\n"}}', "app:1\napp:2"],
  ['{{(index (split "x y" " ") 1)}}{{(index . "Config").Labels.b}}', "y2"],
  ['{{print "a}}b"}}', "a}}b"],
];

test.each(cases)("%s", (template, text) => {
  expect(compileTemplate(template)(value)).toBe(text);
});

test.each([
  ["{{.Idd}}", /no field \.Idd/],
  ["{{prinf .Id}}", /"prinf" is not known/],
  ["{{$x}}", /variable \$x is not set/],
  ["{{index .RepoTags 5}}", /index 5 of a list of 2/],
  ["{{(.Id}}", /cannot read/],
  ["{{range .Id}}x", /no \{\{end\}\}/],
  ["{{end}}", /without range or if/],
  ["{{.Id", /without \}\}/],
  ["{{join .RepoTags}}", /join takes 2 arguments, not 1/],
  ["{{range .Id}}{{end}}", /which is no list/],
  ["{{}}", /cannot read/],
])("%s is refused", (template, why) => {
  expect(() => compileTemplate(template)(value)).toThrow(why);
});
