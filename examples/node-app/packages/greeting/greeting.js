const words = { de: "Hallo", en: "Hello", fr: "Bonjour" };

/** Greets in the first known language of an Accept-Language header. */
export function greeting(name, languages = "en") {
  const known = languages
    .split(",")
    .map((part) => part.trim().slice(0, 2).toLowerCase())
    .find((language) => Object.hasOwn(words, language));
  return `${words[known ?? "en"]}, ${name}!`;
}
