import { describeOrigin, type Settings } from '../config/settings.ts';
import { toolLists } from '../config/validation.ts';
import { UsageError } from '../outcome/errors.ts';
import { parseRule, type Rule, type Rules } from './rules.ts';

/**
 * The rules of all settings, flags among them.
 *
 * @throws UsageError naming where the rule stands
 */
export function settledRules(tools: Settings['tools']): Rules {
  const [allow, deny] = toolLists.map((list) =>
    tools[list].map(({ value, origin }): Rule => {
      try {
        return parseRule(value, list);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        const { message, hint } = error;
        const place = origin.from === 'flag' ? origin.name : `${describeOrigin(origin)}: tools.${list}`;
        throw new UsageError(`${place}: ${message}`, {
          code: origin.from === 'flag' ? 'usage' : 'config_invalid',
          hint,
          cause: error,
        });
      }
    }),
  ) as [Rule[], Rule[]];
  return { allow, deny };
}
