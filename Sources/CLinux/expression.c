// SPDX-License-Identifier: Apache-2.0

#include "CLinux.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

void *linux_expression_open(const char *pattern, bool ignores_case, char *problem, size_t size) {
    regex_t *expression = malloc(sizeof *expression);
    if (!expression) {
        strncpy(problem, "out of memory", size);
        return NULL;
    }
    int code = regcomp(expression, pattern, REG_EXTENDED | REG_NOSUB | (ignores_case ? REG_ICASE : 0));
    if (code == 0) return expression;
    regerror(code, expression, problem, size);
    free(expression);
    return NULL;
}

bool linux_expression_matches(void *expression, const char *text) {
    return regexec(expression, text, 0, NULL, 0) == 0;
}

void linux_expression_close(void *expression) {
    regfree(expression);
    free(expression);
}
