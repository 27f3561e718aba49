import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Machine;

/** For each line of stdin, {"pattern", "event"}, prints whether Event Ruler matches them, or why it refuses the pattern. */
class RulerMatches {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      System.out.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
    }
  }

  private static Object answer(JsonNode pair) throws Exception {
    var machine = Machine.builder().build();
    try {
      machine.addRule("rule", pair.get("pattern").toString());
    } catch (Exception refusal) {
      return String.valueOf(refusal.getMessage());
    }
    return !machine.rulesForJSONEvent(pair.get("event").toString()).isEmpty();
  }
}
