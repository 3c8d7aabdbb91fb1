/** Digits and lower-case letters without i, l, o and u: nothing to misread, hardly a word to spell. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * A new id: eight characters, about 38 bits. The first is a digit, so that a word that names a conversation is not taken
 * for the beginning of an id. It only has to differ from the others (the store makes sure of that), not to be secret.
 */
export function newIdentifier(random: () => number = Math.random): string {
  let identifier = String(Math.floor(random() * 10));
  while (identifier.length < 8) identifier += alphabet[Math.floor(random() * 32)] ?? '0';
  return identifier;
}

/** The smallest text after every text that starts with the prefix: `id >= prefix AND id < prefixEnd` uses the index. */
export function prefixEnd(prefix: string): string {
  return `${prefix}\u{10FFFF}`;
}

/** Whether a word could be an id of a conversation, one that is here or one to come. */
export function hasIdentifierForm(word: string): boolean {
  return /^\d[0-9a-z]{7}$/.test(word);
}
