/* Where a recycled object comes from without passing an allocator, and what we do about it:
   CPython 3.10 to 3.12 empties its free lists (this file), 3.13 and later reports creations (object_tracer.cpp). */
#ifndef LEAKSCOPE_FREE_LISTS_H
#define LEAKSCOPE_FREE_LISTS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Takes `hook` out of the interpreter's list of audit hooks, so that it costs nothing afterwards. Interpreter's lock
   held. Returns 0 if it was not found (then it stays). */
int leakscope_remove_audit_hook(int (*hook)(const char*, void*, void*),
                                int (*readable)(const void*, unsigned long));

/* Makes dict, list, tuple and float give freed objects to the allocator. Interpreter's lock held. */
void leakscope_drain_free_lists(void);

/* A full collection reopens the lists of tuple and float: closes them again. Cheap; called at recorded events. */
void leakscope_keep_free_lists_closed(void);

/* Key tables of dicts are no objects, so no creation is reported for them. Closes their list where that can be done
   for good; else returns the list's count, above zero of which leakscope_drain_dict_keys() is to be called. */
int* leakscope_free_dict_keys(void);
void leakscope_drain_dict_keys(void);

#ifdef __cplusplus
}
#endif
#endif
