/* The recorder is preloaded into whatever the program starts, Python or not: every symbol of the interpreter that it
   uses is weak, so that it loads everywhere and looks before it leaps. */
#ifndef LEAKSCOPE_WEAK_H
#define LEAKSCOPE_WEAK_H

#pragma weak PyUnicode_Type
#pragma weak PySet_Type
#pragma weak PyODict_Type
#pragma weak PyModule_GetDict
#pragma weak PyMemoryView_Type
#pragma weak PyLong_Type
#pragma weak PyGen_Type
#pragma weak PyFrozenSet_Type
#pragma weak PyFrame_Type
#pragma weak PyCoro_Type
#pragma weak PyBytes_Type
#pragma weak PyByteArray_Type
#pragma weak PyBool_Type
#pragma weak PyAsyncGen_Type
#pragma weak PyCode_Addr2Line
#pragma weak PyCode_Type
#pragma weak PyDict_DelItemString
#pragma weak PyDict_GetItemString
#pragma weak PyDict_GetItemWithError
#pragma weak PyDict_Next
#pragma weak PyUnicode_InternFromString
#pragma weak PyWrapperDescr_Type
#pragma weak PyBaseObject_Type
#pragma weak PyDict_Type
#pragma weak PyErr_Clear
#pragma weak PyErr_Fetch
#pragma weak PyErr_Restore
#pragma weak PyEval_RestoreThread
#pragma weak PyEval_SaveThread
#pragma weak PyFloat_Type
#pragma weak PyGILState_Ensure
#pragma weak PyGILState_GetThisThreadState
#pragma weak PyGILState_Release
#pragma weak PyImport_GetModuleDict
#pragma weak PyImport_ImportModule
#pragma weak PyInterpreterState_Get
#pragma weak PyInterpreterState_Main
#pragma weak PyList_Type
#pragma weak PyLong_AsUnsignedLong
#pragma weak PyCFunction_NewEx
#pragma weak PyCFunction_Type
#pragma weak PyCMethod_New
#pragma weak PyMem_Free
#pragma weak PyMem_GetAllocator
#pragma weak PyMem_SetAllocator
#pragma weak PyMethod_Type
#pragma weak PyObject_CallFunctionObjArgs
#pragma weak PyObject_Free
#pragma weak PyObject_GC_Del
#pragma weak PyObject_GC_UnTrack
#pragma weak PyObject_GenericGetAttr
#pragma weak PyObject_GetArenaAllocator
#pragma weak PyObject_GetAttrString
#pragma weak PyObject_SetArenaAllocator
#pragma weak PySlice_Type
#pragma weak PySys_AddAuditHook
#pragma weak PyThreadState_Get
#pragma weak PyThreadState_GetUnchecked
#pragma weak PyThreadState_Swap
#pragma weak PyType_IsSubtype
#pragma weak PyTuple_Pack
#pragma weak PyTuple_Type
#pragma weak PyRefTracer_GetTracer
#pragma weak PyRefTracer_SetTracer
#pragma weak PyUnicode_AsUTF8
#pragma weak PyUnicode_FromString
#pragma weak Py_AddPendingCall
#pragma weak Py_GetVersion
#pragma weak _PyRuntime
#pragma weak _PyTrash_begin
#pragma weak _PyTrash_cond
#pragma weak _PyTrash_end
#pragma weak _PyTrash_thread_deposit_object
#pragma weak _PyTrash_thread_destroy_chain
#pragma weak _Py_Dealloc
#pragma weak _Py_NoneStruct

#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030D0000 /* a static inline function of its own later */
#pragma weak _PyThreadState_UncheckedGet
#endif

#endif
