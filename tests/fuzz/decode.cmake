set(here ${CMAKE_CURRENT_LIST_DIR})
foreach(name ws inflate editor ipc rpc observer)
        ws_fuzz(decode_${name} SOURCES ${here}/fuzz_decode_${name}.c USES agent_decode)
endforeach()
